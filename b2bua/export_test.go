package b2bua

// RestoreEveryStep makes the engine write and read every call's record between
// any two events (promise P9).
func (e *Engine) RestoreEveryStep(failed func(error)) {
	e.between = func(c *Call) *Call {
		restored, err := Decode(c.Encode(nil), e)
		if err != nil {
			failed(err)
			return c
		}
		return restored
	}
}
