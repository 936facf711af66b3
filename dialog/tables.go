package dialog

// arrow is one arrow of a figure: in this state, on this input, do this and be
// in that state. What has no arrow changes nothing and is counted.
type arrow struct {
	in   state
	on   input
	next state
	do   func(*step, *Tx, *Message)
}

// figures are the state machines of RFC 3261 §17 as amended by RFC 6026.
var figures = [machines]*[states][inputs]*arrow{
	inviteClient: draw(inviteClientFigure),
	client:       draw(clientFigure),
	inviteServer: draw(inviteServerFigure),
	server:       draw(serverFigure),
	reliable:     draw(reliableFigure),
}

// RFC 3261 figure 5, RFC 6026 §7.2 and §8.4. A 2xx that comes when the
// transaction has ended otherwise is no reason for silence: the peer believes
// that there is a call, so its user hears of it (answered) and ends it.
var inviteClientFigure = []arrow{
	{calling, timerRepeat, calling, (*step).repeatDoubling}, // Timer A
	{calling, timerEnd, lingering, (*step).timedOut},        // Timer B; P4: what comes later wants its ACK
	{calling, unsent, terminated, (*step).notSent},          //
	{calling, got1xx, proceeding, (*step).provisional},      //
	{calling, got2xx, accepted, (*step).firstAnswer},        //
	{calling, got3to6, completed, (*step).refused},          //
	{proceeding, got1xx, proceeding, (*step).provisional},   //
	{proceeding, got2xx, accepted, (*step).firstAnswer},     //
	{proceeding, got3to6, completed, (*step).refused},       //
	{proceeding, timerEnd, lingering, (*step).timedOut},     // 64·T1 after CANCEL (RFC 3261 §9.1)
	{completed, got3to6, completed, (*step).ackAgain},       //
	{completed, got2xx, completed, (*step).answered},        // P4
	{completed, timerEnd, lingering, (*step).linger},        // Timer D
	{lingering, got3to6, lingering, (*step).ackAgain},       // P3: for the carrier's linger
	{lingering, got2xx, lingering, (*step).answered},        // P4
	{lingering, timerEnd, terminated, nil},                  //
	{accepted, got2xx, accepted, (*step).answered},          // again, or another fork
	{accepted, got3to6, accepted, (*step).ackAgain},         // P3: whatever it is, it wants its ACK
	{accepted, timerEnd, terminated, nil},                   // Timer M: the dialog keeps its ACK
}

// RFC 3261 figure 6. Timer K is T4, and zero over a reliable transport.
var clientFigure = []arrow{
	{trying, timerRepeat, trying, (*step).repeatToT2},         // Timer E
	{trying, timerEnd, terminated, (*step).timedOut},          // Timer F
	{trying, unsent, terminated, (*step).notSent},             //
	{trying, got1xx, proceeding, (*step).slowDown},            //
	{trying, gotFinal, completed, (*step).finished},           //
	{trying, moot, completed, (*step).quiet},                  // P5: no CANCEL after a final
	{proceeding, timerRepeat, proceeding, (*step).repeatAtT2}, // Timer E
	{proceeding, timerEnd, terminated, (*step).timedOut},      // Timer F
	{proceeding, got1xx, proceeding, nil},                     //
	{proceeding, gotFinal, completed, (*step).finished},       //
	{proceeding, moot, completed, (*step).quiet},              //
	{completed, gotFinal, completed, (*step).absorb},          //
	{completed, timerEnd, terminated, nil},                    // Timer K
}

// RFC 3261 figure 7, RFC 6026 §7.1 and §8.5. The repeats of a 2xx are the
// user's in the RFC (§13.3.1.4); here they are a row like Timer G.
var inviteServerFigure = []arrow{
	{proceeding, gotRequest, proceeding, (*step).resend},      //
	{proceeding, tell1xx, proceeding, nil},                    //
	{proceeding, tell2xx, accepted, (*step).awaitACK},         //
	{proceeding, tell3to6, completed, (*step).awaitACKOfFail}, //
	{completed, gotRequest, completed, (*step).resend},        //
	{completed, timerRepeat, completed, (*step).repeatToT2},   // Timer G
	{completed, timerEnd, terminated, nil},                    // Timer H
	{completed, gotACK, confirmed, (*step).stopRepeats},       //
	{confirmed, gotACK, confirmed, (*step).absorb},            //
	{confirmed, gotRequest, confirmed, (*step).absorb},        //
	{confirmed, timerEnd, terminated, nil},                    // Timer I
	{accepted, gotRequest, accepted, (*step).absorb},          // RFC 6026 §7.1
	{accepted, timerRepeat, accepted, (*step).repeatToT2},     // the 2xx (§13.3.1.4)
	{accepted, gotACK, accepted, (*step).acknowledged},        //
	{accepted, timerEnd, terminated, (*step).unacknowledged},  // Timer L
}

// RFC 3261 figure 8.
var serverFigure = []arrow{
	{trying, gotRequest, trying, (*step).absorb},       //
	{trying, tellFinal, completed, (*step).awaitQuiet}, //
	{completed, gotRequest, completed, (*step).resend}, //
	{completed, timerEnd, terminated, nil},             // Timer J
}

// RFC 3262 §3. After a final response to the INVITE the PRACK is still answered.
var reliableFigure = []arrow{
	{proceeding, timerRepeat, proceeding, (*step).repeatDoubling}, //
	{proceeding, gotPRACK, terminated, nil},                       //
	{proceeding, tellFinal, completed, (*step).settled},           //
	{proceeding, timerEnd, terminated, (*step).unpracked},         // 64·T1
	{completed, gotPRACK, terminated, nil},                        //
	{completed, timerEnd, terminated, nil},                        //
}

// draw lays a figure out for look-up.
func draw(arrows []arrow) *[states][inputs]*arrow {
	var f [states][inputs]*arrow
	for i := range arrows {
		a := &arrows[i]
		if f[a.in][a.on] != nil {
			panic("two arrows leave " + a.in.String() + " on one input")
		}
		f[a.in][a.on] = a
	}
	return &f
}

// move follows the arrow of the input; false: there is none.
func (s *step) move(t *Tx, on input, m *Message) bool {
	a := figures[t.machine][t.state][on]
	if a == nil {
		return false
	}
	if a.next != t.state {
		if a.next == proceeding {
			s.heard++
		}
		t.state = a.next
		t.Repeat = never // what is to run in the new state, its arrow sets
	}
	if a.do != nil {
		a.do(s, t, m)
	}
	return true
}
