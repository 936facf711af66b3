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

// Waiting is how many entries the clock has.
func (e *Engine) Waiting() int {
	e.clock.mu.Lock()
	defer e.clock.mu.Unlock()
	return len(e.clock.heap)
}

// UnderRace says that the race detector is built in.
func UnderRace() bool { return underRace }
