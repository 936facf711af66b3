package b2bua

// mutant is a fault put into the code, which the model must find. The text must
// be found exactly once, so that the table keeps up with the code.
type mutant struct {
	name     string
	file     string // in the module
	old, new string
	promise  string // in what the model says of it
	in       string // the exploration that finds it; empty: whichever is first
}

var mutants = []mutant{
	{
		"a repeated refusal is told to the other legs", "dialog/refusal.go",
		"s.send(t, \"ACK\", 0, t.Path, Path{}, withTo(t.Last, m.To), true)\n",
		"s.send(t, \"ACK\", 0, t.Path, Path{}, withTo(t.Last, m.To), true)\n\ts.tell(End{Cause: s.Cause})\n",
		"p2_signal_after_end", "",
	},
	{
		"a copy of a refusal is absorbed without its ACK", "dialog/tables.go",
		"{completed, got3to6, completed, (*step).ackAgain},", "{completed, got3to6, completed, (*step).absorb},",
		"P3: 0 ACKs for a copy of a refusal", "",
	},
	{
		"nothing lingers after Timer D", "dialog/tables.go",
		"{completed, timerEnd, lingering, (*step).linger},", "{completed, timerEnd, terminated, nil},",
		"P3: 0 ACKs for a copy of a refusal", "",
	},
	{
		"nothing lingers after Timer B", "dialog/refusal.go",
		"\tif t.machine == inviteClient {\n\t\tt.Last = nil\n\t\ts.linger(t, m)\n\t}\n", "\tif t.machine == inviteClient {\n\t\tt.state = terminated\n\t}\n",
		"P3: 0 ACKs for a copy of a refusal", "",
	},
	{
		"a refusal after a 2xx gets what is kept for others", "dialog/refusal.go",
		"\tif t.Code < 300 {\n\t\ts.ackAnew(t, m)\n\t\treturn\n\t}\n", "",
		"a message does not parse", "",
	},
	{
		"a late 2xx is absorbed", "dialog/tables.go",
		"{completed, got2xx, completed, (*step).answered},", "{completed, got2xx, completed, (*step).absorb},",
		"P4: 0 ACKs for a copy of a 2xx", "",
	},
	{
		"a 2xx whose transaction is gone is dropped", "dialog/inbound.go",
		"s.Side == Out && a.Seq >= First && a.Seq <= s.first() {", "s.Side == In && a.Seq >= First && a.Seq <= s.first() {",
		"P4: 0 ACKs for a copy of a 2xx", "",
	},
	{
		"a late 2xx gets its ACK and no BYE", "dialog/answer.go",
		"\ts.bye(d, Cause{Why: Elsewhere, Q850: 26,", "\t_ = append([]Cause(nil), Cause{Why: Elsewhere, Q850: 26,",
		"P4: no BYE in a dialog that is not the call", "",
	},
	{
		"each copy of a 2xx gets an ACK of its own", "dialog/answer.go",
		"\t\tif d.Ack != nil {\n\t\t\ts.send(nil, \"ACK\", 0, d.AckTo, s.fallback(d.AckTo), d.Ack, true)\n", "\t\tif d.Ack != nil {\n\t\t\ts.acknowledge(d, Body{})\n",
		"P4: another ACK than the first", "",
	},
	{
		"a dialog gets two BYEs", "dialog/outbound.go",
		"\tif d.Left {\n\t\treturn\n\t}\n\td.Left = true\n", "\td.Left = true\n",
		"P4: a", "",
	},
	{
		"BYE takes the route set the wrong way round", "dialog/answer.go",
		"for i := len(m.Routes) - 1; i >= 0; i-- {", "for i := range m.Routes {",
		"P4: ACK along", "",
	},
	{
		"the answer of a loser is told", "dialog/answer.go",
		"up := s.State < Answered && t.Seq", "up := s.State != Answered && s.State != Confirmed && t.Seq",
		"p2_signal_after_end", "",
	},
	{
		"a BYE of a fork ends the call", "dialog/inbound.go",
		"\tif d.Left {\n\t\treturn // it crossed our BYE: a dialog that is not the call\n\t}\n", "",
		"P2: leg 1 is lost", "",
	},
	{
		"the ACK of a merged INVITE passes for the ACK of the answer", "dialog/inbound.go",
		"if !strings.EqualFold(m.ToTag, s.Tag) {", "if m.ToTag == \"\" {",
		"a BYE before the trunk's ACK", "",
	},
	{
		"BYE does not wait for the ACK", "dialog/inbound.go",
		"\tcase Answered:\n\t\ts.ByeHeld = true\n", "\tcase Answered:\n\t\ts.bye(s.Dialogs[0], c)\n",
		"a BYE before the trunk's ACK", "",
	},
	{
		"CANCEL does not wait for a provisional", "dialog/outbound.go",
		"t != nil && t.state == proceeding && !s.Cancelled", "t != nil && t.state <= proceeding && !s.Cancelled",
		"P5: a CANCEL before any provisional", "",
	},
	{
		"CANCEL is sent after a final response", "dialog/outbound.go",
		"t != nil && t.state == proceeding && !s.Cancelled", "t != nil && t.state != calling && !s.Cancelled",
		"P5: a CANCEL after the final response", "",
	},
	{
		"the CANCEL is that of the INVITE without credentials", "dialog/outbound.go",
		"Method: \"CANCEL\", state: trying, Seq: invite.Seq,", "Method: \"CANCEL\", state: trying, Seq: First,",
		"RFC 3261 §9.1: a CANCEL of another INVITE", "challenges",
	},
	{
		"a challenge is met after the end", "dialog/auth.go",
		"case s.State == Leaving && t.Method != \"BYE\":", "case s.State == Leaving && t.Method == \"PRACK\":",
		"p5_invite_after_cancel", "challenges",
	},
	{
		"refused credentials are shown again", "dialog/auth.go",
		"case known[i].For == t.Seq && !c.stale:", "case known[i].For == t.Seq && c.Realm == \"\":",
		"RFC 3261 §22: credentials that were refused are shown again", "challenges",
	},
	{
		"the answer to an INVITE that was challenged is the call's", "dialog/answer.go",
		"up := s.State < Answered && t.Seq == s.first()", "up := s.State < Answered",
		"P2: leg 1 is lost", "challenges",
	},
	{
		"a nonce that is given again is counted anew", "dialog/auth.go",
		"known[i].Nonce == c.Nonce {", "known[i].Nonce == c.Realm {",
		"RFC 7616 §3.4: the count of a nonce does not rise", "challenges",
	},
	{
		"the record forgets what was asked for", "dialog/encode.go",
		"\t\tl.Auth.fields(c)\n", "",
		"P9", "challenges",
	},
	{
		"the hunt goes on after the trunk's CANCEL", "b2bua/control.go",
		"c.close(now, cause, c.endedBy(\"trunk\", cause))\n", "c.hunt(now, end)\n",
		"p5_invite_after_cancel", "",
	},
	{
		"a decision is taken after the end", "b2bua/control.go",
		"c.Expires, c.Choosing, c.Moving = nil, time.Time{}, time.Time{}, Moving{}\n", "c.Expires, c.Moving = nil, time.Time{}, Moving{}\n",
		"P5: a decision", "a decision",
	},
	{
		"a second decision is taken as well", "b2bua/choosing.go",
		"\tif c.Choosing.IsZero() {\n\t\treturn\n\t}\n", "",
		"p5_invite_after_cancel", "a decision",
	},
	{
		"a takeover forgets that a decision is waited for", "b2bua/encode.go",
		"\t\tr.Time(&c.Choosing)\n", "",
		"P9: stored and read again", "a decision",
	},
	{
		"CANCEL after the answer ends the INVITE again", "dialog/inbound.go",
		"\tif invite.state != proceeding {\n\t\treturn\n\t}\n", "",
		"p1_second_final", "",
	},
	{
		"a late copy of the INVITE is refused as merged", "dialog/inbound.go",
		"case m.ToTag == \"\" && s.invite() == nil:", "case m.ToTag == \"\" && s.Tag == \"\":",
		"P1: a copy of the INVITE refused as merged", "",
	},
	{
		"every response has another tag", "dialog/response.go",
		"to = tagged(to, l.Tag)", "to = tagged(to, l.Policy.Seal.Branch(l.ID, uint16(t.Code)))",
		"P6: another tag of ours", "",
	},
	{
		"the o= version rises with every message", "dialog/session.go",
		"sum != s.Session.Hash || s.Session.Version == 0", "sum != 0",
		"P6: an o= version", "",
	},
	{
		"Timer M is not set", "dialog/answer.go",
		"\tt.End = s.now.Add(s.lifetime())\n\tif !s.makes(t) {\n\t\ts.changed(t, m)", "\tt.End = never\n\tif !s.makes(t) {\n\t\ts.changed(t, m)",
		"P7: neither done nor a deadline", "",
	},
	{
		"the wait after CANCEL is not bounded", "dialog/outbound.go",
		"\tinvite.End = s.now.Add(s.lifetime())\n", "\tinvite.End = never\n",
		"P7: neither done nor a deadline", "",
	},
	{
		"a pending change is left when its leg ends", "dialog/leg.go",
		"\t\ts.concludeRequests() // however", "\t\t// however",
		"P7: neither done nor a deadline", "",
	},
	{
		"patience is still armed after the answer", "dialog/answer.go",
		"\t\ts.Patience = [3]time.Time{}\n", "\t\t_ = [3]time.Time{}\n",
		"R4: patience is still armed", "",
	},
	{
		"the record is given out twice", "b2bua/call.go",
		"case !c.Written && c.over():", "case c.over():",
		"P8: a second record", "",
	},
	{
		"the record is given out before the trunk's BYE", "dialog/leg.go",
		"if l.State != Leaving || l.ByeHeld {", "if l.State != Leaving {",
		"P8: a record while the trunk's dialog is up", "",
	},
	{
		"the answer to an INFO is not told", "dialog/refusal.go",
		"\tcase t.For != 0:\n\t\ts.informedBy(t, m)\n", "",
		"RFC 6086: a 200 to an INFO makes 0 answers", "infos",
	},
	{
		"the answer to an INFO is given to another", "dialog/info.go",
		"if t.machine != server || t.state != trying || t.Seq != ev.Ref {", "if t.machine != server || t.state != trying {",
		"RFC 6086: an INFO is answered for another", "infos",
	},
	{
		"a pending INFO is left when its leg ends", "dialog/inbound.go",
		"(t.state == proceeding || t.state == trying)", "t.state == proceeding",
		"P7: neither done nor a deadline", "infos",
	},
	{
		"the record forgets whose INFO was passed on", "dialog/encode.go",
		"\t\tInt(c, &t.For)\n", "",
		"P9", "infos",
	},
	{
		"a PRACK of nothing is accepted", "dialog/reliable.go",
		"if t.machine == reliable && t.acknowledgedBy(m.Value(\"RAck\")) {", "if t.machine == reliable {",
		"RFC 3262 §3: a PRACK of nothing is accepted", "reliable provisionals",
	},
	{
		"the answer does not wait for the PRACK", "dialog/inbound.go",
		"u != nil && u.Offer {", "u != nil && u.Own {",
		"RFC 3262 §3: a 2xx before the PRACK of a description", "reliable provisionals",
	},
	{
		"a reliable provisional does not wait for the PRACK of the last", "dialog/reliable.go",
		"\tif s.unacked() != nil {\n", "\tif s.State == Leaving {\n",
		"RFC 3262 §3: a reliable provisional before the PRACK of the last", "reliable provisionals",
	},
	{
		"a repeat of a reliable provisional gets another PRACK", "dialog/reliable.go",
		"\tcase d.RSeq != 0 && n <= d.RSeq:\n", "\tcase d.RSeq != 0 && n <= d.RSeq:\n\t\ts.prack(d, t.CSeq, Body{})\n",
		"RFC 3262 §4", "reliable provisionals",
	},
	{
		"the first reliable provisional is taken for one out of order", "dialog/reliable.go",
		"\tcase d.RSeq != 0 && n != d.RSeq+1, d.Unacked != 0, ", "\tcase n != d.RSeq+1, ",
		"RFC 3262 §4: no PRACK", "reliable provisionals",
	},
	{
		"the record forgets what was heard reliably", "dialog/encode.go",
		"\t\tInt(c, &d.RSeq)\n", "",
		"P9", "reliable provisionals",
	},
	{
		"a refresh that met a change of the peer's is not tried again", "dialog/own.go",
		"\t\ts.Again = s.now.Add(s.glare())\n", "",
		"RFC 3261 §14.1: nothing follows a 491", "session timers",
	},
	{
		"a session that has expired goes on", "dialog/interval.go",
		"\t\tif s.State == Confirmed {\n\t\t\ts.changeLost(", "\t\tif s.State == Leaving {\n\t\t\ts.changeLost(",
		"RFC 4028 §10: a session that has expired goes on", "session timers",
	},
	{
		"a session is refreshed by nobody", "dialog/interval.go",
		"\t\ts.own(d, Body{})\n", "\t\ts.refreshLater(time.Hour)\n",
		"RFC 4028 §7.4: no refresh", "session timers",
	},
	{
		"a new description in the answer to a refresh is nobody's news", "dialog/own.go",
		"unasked < toAndFro:", "unasked > toAndFro:",
		"RFC 3264 §8: a new description in the answer to a refresh is told nobody", "session timers",
	},
	{
		"a change that asked for too short an interval is refused", "dialog/change.go",
		"!change.Again && s.tooShort(m):", "change.Again && s.tooShort(m):",
		"RFC 4028 §7.3: a change is not asked again after a 422", "session timers and changes, far",
	},
	{
		"the record forgets when a session expires", "dialog/encode.go",
		"\tc.Time(&i.Expires)\n", "",
		"P9", "session timers",
	},
	{
		"an UPDATE is sent to a trunk that has not sent its PRACK", "dialog/early.go",
		"\tcase !s.exchanged(d):\n\t\ts.tell(", "\tcase s.Side > Out:\n\t\ts.tell(",
		"RFC 3311 §5.1: an UPDATE to the trunk where no exchange is complete", "early updates, far",
	},
	{
		"an UPDATE that crosses ours takes its place", "dialog/early.go",
		"case pending && s.Change.Ours, ", "case ",
		"RFC 3311 §5.2", "early updates",
	},
	{
		"a second UPDATE takes the place of the first", "dialog/early.go",
		"case pending, !m.Body.Empty() && !s.exchanged(d):", "case !m.Body.Empty() && !s.exchanged(d):",
		"RFC 3311", "early updates",
	},
	{
		"an early UPDATE that a carrier leaves is never answered", "b2bua/hunt.go",
		"\t\tc.step(now, c.In, dialog.Modified{Code: 500, RetryAfter: 1})\n", "",
		"RFC 3311: an UPDATE of the trunk's waits for nobody", "early updates",
	},
	{
		"an early UPDATE that waits for a fork which has lost is never answered", "dialog/answer.go",
		"\t\ts.leaveForks(d)\n", "",
		"RFC 3311: an UPDATE of the trunk's waits for nobody", "early updates",
	},
	{
		"a fork that knows no dialog ends that of the trunk", "dialog/early.go",
		"\tif code == 408 || code == 481 {\n", "\tif code == 408 {\n",
		"RFC 3311 §5.3: a 481 to an UPDATE is told as 481", "early updates",
	},
	{
		"the answer describes what an UPDATE has changed", "dialog/reliable.go",
		"if !s.Offer || s.Reliable.Changed {", "if !s.Offer {",
		"P6: what an UPDATE has changed is described as it was", "early updates",
	},
	{
		"a PRACK that brings an offer is only acknowledged", "dialog/reliable.go",
		"m.Body.Empty() || answers {", "m.Body.Empty() || answers || s.Offer {",
		"RFC 3262 §5: a 200 to a PRACK without the answer to its offer", "offers in PRACKs",
	},
	{
		"the refusal of its offer is told to a PRACK as it is", "dialog/change.go",
		"if t.Method == \"PRACK\" && ev.Code >= 300 {", "if t.Method == \"PRACK\" && ev.Code < 100 {",
		"to an UPDATE is told as", "offers in PRACKs",
	},
	{
		"an UPDATE overtakes the PRACK", "dialog/early.go",
		"if t := s.pracking(d); t != nil {", "if t := s.pracking(d); t != nil && t.Own {",
		"RFC 6337 §4.3: an UPDATE before the PRACK is answered", "offers in PRACKs",
	},
	{
		"an offer that waits for a PRACK without an answer waits for ever", "dialog/refusal.go",
		"\tcase t.Method == \"PRACK\":\n\t\ts.prackAnswered(t, nil)\n\tcase t.Sub:\n\t\ts.notifyAnswered(t, 408, \"\")", "\tcase t.Sub:\n\t\ts.notifyAnswered(t, 408, \"\")",
		"waits for nobody", "offers in PRACKs",
	},
	{
		"the record forgets that a change began before the answer", "dialog/encode.go",
		"\t\tc.Flag(&l.Change.Early)\n", "",
		"P9", "early updates",
	},
	{
		"a call has no limit until it is answered", "b2bua/call.go",
		"\t\tc.Expires = now.Add(a.Setup)\n", "",
		"P7: a call without a limit", "one hostile carrier",
	},
	{
		"an answered call keeps the limit of its setup", "b2bua/control.go",
		"c.Answered, c.Expires = now, now.Add(c.Limit)\n", "c.Answered = now\n",
		"P7: the longest duration is not counted from the answer", "one hostile carrier",
	},
	{
		"the limit of the setup ends the trunk's leg alone", "b2bua/control.go",
		"\tfor _, leg := range c.Out {\n\t\tc.step(now, leg, dialog.End{Cause: cause})\n\t}\n}\n\n// close", "}\n\n// close",
		"P7: a call goes on beyond its limit", "one hostile carrier",
	},
	{
		"the worst contact of a redirection is tried first", "dialog/contact.go",
		"cmp.Compare(b.q, a.q)", "cmp.Compare(a.q, b.q)",
		"RFC 3261 §8.1.3.4: not the best contact is tried", "redirections",
	},
	{
		"a call tries as many contacts as it is told", "b2bua/redirect.go",
		"case used+len(found) >= most:", "case used+len(found) >= 255:",
		"RFC 3261 §8.1.3.4: 2 contacts are tried", "one redirection and another target",
	},
	{
		"a contact is tried again", "b2bua/redirect.go",
		" || c.tried(t.Target):", ":",
		"is tried twice", "redirections",
	},
	{
		"a redirection is told again with each of its copies", "dialog/refusal.go",
		"\ts.send(t, \"ACK\", 0, t.Path, Path{}, withTo(t.Last, m.To), true)\n",
		"\ts.send(t, \"ACK\", 0, t.Path, Path{}, withTo(t.Last, m.To), true)\n\tif m.redirects() {\n\t\ts.tell(End{Cause: s.Cause, Contacts: m.contacts()})\n\t}\n",
		"p2_signal_after_end", "redirections",
	},
	{
		"a contact's refusal of everywhere leads to the next contact", "b2bua/redirect.go",
		"last.Code < 600", "last.Code < 700",
		"RFC 3261 §21.6: a refusal of everywhere leads on", "redirections",
	},
	{
		"the record forgets which contacts were tried", "b2bua/encode.go",
		"\t\tr.Bytes(&c.By)\n", "",
		"P9", "redirections",
	},
	{
		"who hangs up without a reason leaves none", "dialog/reason.go",
		"return cmp.Or(CauseOf(code), 16)", "return cmp.Or(CauseOf(code), 0)",
		"RFC 6432: 0 causes of Q.850", "one hostile carrier",
	},
	{
		"a refusal without a reason leaves none", "dialog/reason.go",
		"\treturn CauseOf(a.Code)\n", "\treturn 0\n",
		"RFC 6432: 0 causes of Q.850 in INVITE", "one hostile carrier",
	},
	{
		"a cause of Q.850 stands beside the peer's", "dialog/reason.go",
		"\tif causeIn(c.Reasons, \"Q.850\", 127) != 0 {\n\t\treturn list\n\t}\n", "",
		"RFC 6432: 2 causes of Q.850", "redirections",
	},
	{
		"an attempt is made without asking for its place", "b2bua/untried.go",
		"reason = c.judge.Begin(now, next.Target, false)", "reason = \"\"",
		"R16: not as many attempts as places", "targets that are skipped",
	},
	{
		"who is not well is tried after a carrier that failed", "b2bua/untried.go",
		"if !tried && !carriers.Firm(reason) {", "if !carriers.Firm(reason) {",
		"R29: who is not well is tried after another", "targets that are skipped",
	},
	{
		"the record forgets who was skipped", "b2bua/encode.go",
		"\t\tdialog.List(r, &c.Untried, func(u *Untried) { u.fields(r) })\n", "",
		"P9", "targets that are skipped",
	},
	{
		"a carrier that is to be stayed with is left", "b2bua/hunt.go",
		"tried > 0 && c.Moving.By == 0 && c.Out[len(c.Out)-1].Stays() || ", "",
		"R21: a carrier is left after its early media", "early media and a takeover",
	},
	{
		"the record forgets that the caller has heard a carrier", "dialog/encode.go",
		"\t\tc.Time(&l.Marks.Media)\n", "",
		"P9", "early media and a takeover",
	},
	{
		"a carrier's 199 is passed on", "dialog/outbound.go",
		"m.Code >= 180 && m.Code != 199", "m.Code >= 180",
		"RFC 6228 §6: a 199 to the trunk", "forks that end",
	},
	{
		"a dialog that has ended by 199 goes on", "dialog/outbound.go",
		"\t\td.Left = true // its carrier has one dialog less; the caller has but one with us\n", "",
		"P2: leg 1 is lost", "forks that end",
	},
	{
		"a 2xx after a 199 is no dialog", "dialog/answer.go",
		"d.Early, d.Left = false, false //", "d.Early = false //",
		"P8: a record while a dialog is up", "forks that end",
	},
	{
		"a NOTIFY is sent of a subscription that is over", "dialog/notify.go",
		"if d == nil || s.Referred.Ref == 0 || s.Referred.Ref != ev.Of {", "if d == nil {",
		"RFC 3515 §2.4.4: a NOTIFY without a subscription", "referrals",
	},
	{
		"a refused REFER leaves its subscription", "dialog/refer.go",
		"\tcase ev.Code >= 300 || slices.Contains(ev.Headers, NotSubscribed):\n", "\tcase slices.Contains(ev.Headers, NotSubscribed):\n",
		"RFC 3515 §2.4", "referrals",
	},
	{
		"a subscription of the peer's has no end", "dialog/refer.go",
		"\t\ts.Referred.Until = s.now.Add(", "\t\t_ = s.now.Add(",
		"P7: a subscription without an end", "referrals",
	},
	{
		"a subscription of ours has no end", "dialog/refer.go",
		"\t\ts.Refers.Until = s.now.Add(", "\t\t_ = s.now.Add(",
		"P7: a subscription without an end", "referrals",
	},
	{
		"a subscription ends in silence", "dialog/notify.go",
		"\tif d := s.current(); d != nil && s.State != Leaving {\n", "\tif d := s.current(); d != nil && s.State == Leaving {\n",
		"RFC 3515 §2.4.4: a subscription that ends in silence", "referrals",
	},
	{
		"481 to a NOTIFY ends the call", "dialog/refusal.go",
		"\tcase t.Sub:\n\t\ts.notifyAnswered(t, m.Code, m.Phrase)\n", "",
		"a 481 to an NOTIFY makes 1 answers, of 487", "referrals",
	},
	{
		"a NOTIFY is answered by us", "dialog/notify.go",
		"\tif t.For != 0 {\n\t\ts.tell(Informed{Ref: t.For, Code: code, Phrase: phrase})", "\tif t.For == 0 {\n\t\ts.tell(Informed{Ref: t.For, Code: code, Phrase: phrase})",
		"RFC 6086: a 200 to an NOTIFY makes 0 answers", "referrals",
	},
	{
		"a REFER does not cross", "b2bua/refer.go",
		"\t} else if other := c.other(from); other != nil {\n\t\tc.step(now, other, sig)\n", "\t} else if other := c.other(from); other == nil {\n\t\tc.step(now, from, sig)\n",
		"RFC 3515 §2.4.2: a REFER that is not passed on", "referrals",
	},
	{
		"the record forgets when a subscription ends", "dialog/encode.go",
		"\tc.Time(&r.Until)\n", "",
		"P9", "referrals",
	},
	{
		"the record forgets whose REFER is under way", "dialog/encode.go",
		"\t\tl.Refers.fields(c)\n", "",
		"P9", "referrals",
	},
	{
		"who has referred stays in the call", "b2bua/follow.go",
		"\tc.step(now, by, dialog.End{Cause: dialog.Cause{Why: dialog.Transferred, Code: 480, Q850: 16}})\n", "\t_ = by\n",
		"RFC 5589 §6.1: the target does not take the place", "transfers",
	},
	{
		"the target is not told the caller's answer", "b2bua/follow.go",
		"\tc.step(now, c.Out[c.Winner], dialog.Confirm{Body: answer})\n", "\tc.step(now, c.In, dialog.Confirm{Body: answer})\n",
		"RFC 5589 §6.1: the target does not take the place", "transfers",
	},
	{
		"a transfer that fails ends the call", "b2bua/follow.go",
		"\tby := c.leg(c.Moving.By)\n\tc.Targets, c.Moving = nil, Moving{}\n",
		"\tby := c.leg(c.Moving.By)\n\tc.hangup(now, dialog.Cause{Why: dialog.Operator, Code: 480, Q850: 16})\n",
		"RFC 5589 §6.3: the call is not as it was", "transfers",
	},
	{
		"a caller for whom nobody is left waits", "b2bua/follow.go",
		"\tif by.State == dialog.Leaving {\n\t\tc.close(", "\tif by.State == dialog.Trying {\n\t\tc.close(",
		"RFC 5589 §6.3: a caller for whom nobody is left", "transfers",
	},
	{
		"the transferor's BYE ends the caller's leg", "b2bua/follow.go",
		"\t\tc.step(now, c.In, dialog.Alone{})\n\tcase !target:", "\t\treturn false\n\tcase !target:",
		"RFC 5589 §6.1: the caller does not wait", "transfers",
	},
	{
		"a caller whose carrier has gone is not answered", "b2bua/follow.go",
		"\t\tc.step(now, c.In, dialog.Alone{})\n\tcase !target:", "\tcase !target:",
		"RFC 5589 §6.1: what the caller has asked", "transfers and requests",
	},
	{
		"a target that the caller does not want stays", "b2bua/follow.go",
		"\t\t\tc.step(now, joining, dialog.End{", "\t\t\t_, _ = joining, append([]dialog.End(nil), dialog.End{",
		"RFC 5589 §6.3: a target that the caller does not want", "transfers",
	},
	{
		"a transfer is given up by nobody", "b2bua/follow.go",
		"Until: now.Add(from.Policy.Referral())}", "Until: time.Time{}}",
		"P7: a transfer without an end", "transfers",
	},
	{
		"a caller that is always busy is asked for ever", "b2bua/follow.go",
		"c.Moving.Until = now.Add(64 * c.In.Policy.Timers.T1)", "c.Moving.Until = time.Time{}",
		"P7: a transfer without an end", "transfers",
	},
	{
		"a caller that was busy is not asked again", "dialog/join.go",
		"\t\ts.Again = s.now.Add(s.glare())\n", "",
		"RFC 3261 §14.1: nothing follows a 491", "transfers",
	},
	{
		"a transfer ends without a word", "b2bua/follow.go",
		"\tc.tell(now, code, phrase, true)\n", "\tc.tell(now, code, phrase, false)\n",
		"RFC 3515 §2.4.4: a transfer that ends without a word", "transfers",
	},
	{
		"a CANCEL after the answer closes the call", "b2bua/watch.go",
		"(s.Method == \"CANCEL\" && w.final == 0 || s.Method == \"BYE\")", "(s.Method == \"CANCEL\" || s.Method == \"BYE\")",
		"watch p5_invite_after_cancel", "transfers",
	},
	{
		"the record forgets whose transfer it is", "b2bua/encode.go",
		"\t\tc.Moving.fields(r)\n", "",
		"P9", "transfers",
	},
	{
		"the record forgets what the caller is asked", "dialog/encode.go",
		"\t\tInt(c, &l.Join.Seq)\n", "",
		"P9", "transfers",
	},
	{
		"an audit's 481 ends nothing", "dialog/audit.go",
		"case 481:\n\t\ts.changeLost(", "case 481:\n\t\t_ = append([]Cause(nil), ",
		"RFC 5057 §5.1: an audit ends a call that is there, or none that is not", "audits",
	},
	{
		"silence to audits is not counted", "dialog/audit.go",
		"if s.Audit.Lost++; s.Audit.Lost >= maxLost {", "if s.Audit.Lost >= maxLost {",
		"RFC 5057 §5.1: an audit ends a call that is there, or none that is not", "audits",
	},
	{
		"nobody is audited twice", "dialog/audit.go",
		"case s.Audit.Next.IsZero() && !s.auditing():", "case s.Audit.Next.IsZero() && !s.auditing() && s.Seq < 3:",
		"a leg is not audited", "audits",
	},
	{
		"the record forgets the next audit", "dialog/encode.go",
		"\t\tc.Time(&l.Audit.Next)\n", "",
		"P9", "audits",
	},
	{
		"responses to a carrier name no dialog", "dialog/response.go",
		"b = b.line(\"From\", from)", "_, b = from, b.line(\"From\", s.Peer)",
		"RFC 3261 §8.2.6.2", "",
	},
	{
		"the media of a leg outlives it", "b2bua/call.go",
		"\tc.parted()\n", "",
		"P7: the media of a leg outlives it", "anchored",
	},
	{
		"the end of a carrier is no end of its media", "b2bua/anchor.go",
		"leg != nil && leg.State != dialog.Leaving && c.In.State", "leg != nil && c.In.State",
		"P7: the media of a leg outlives it", "anchored, transfers",
	},
	{
		"media is released again", "b2bua/anchor.go",
		"if a.Ended || leg != nil && leg.State", "if leg != nil && leg.State",
		"R20: media is released twice", "anchored",
	},
	{
		"each attempt has an anchor of its own", "b2bua/anchor.go",
		"\t\t\ta.Leg, a.Renew = leg, true\n\t\t\treturn a\n", "",
		"R20: 2 anchors", "anchored, the third tried",
	},
	{
		"an anchor is handed on by another way", "b2bua/anchor.go",
		"\t\tcase a.Mode != mode:\n\t\t\tc.anchors.Release(a)\n", "",
		"R20: leg 2 is", "media by three ways",
	},
	{
		"a target takes the anchor of who has asked", "b2bua/anchor.go",
		"case a.Ended || c.Moving.By != 0 && int(a.Leg) <= c.Begun:", "case a.Ended:",
		"R20: ", "anchored, transfers",
	},
	{
		"an offer is shown as it came", "b2bua/hunt.go",
		"\t\tsetup.Body = body\n", "\t\t_ = body\n",
		"R20: leg 1 is shown what no end of ours is", "anchored",
	},
	{
		"a provisional whose description cannot be anchored is shown as it came", "b2bua/anchor.go",
		"\tdefault:\n\t\tsig.Body = dialog.Body{}\n\t}\n\tc.step(now, c.In, sig)", "\t}\n\tc.step(now, c.In, sig)",
		"R20: leg 0 is shown what no end of ours is", "an rtpengine that is lost",
	},
	{
		"a change is shown as it came", "b2bua/anchor.go",
		"\tif err == nil {\n\t\tsig.Body = body\n\t\treturn true\n\t}\n\tif sig.Unasked", "\tif err == nil {\n\t\t_ = body\n\t\treturn true\n\t}\n\tif sig.Unasked",
		"is shown what no end of ours is", "anchored, changes",
	},
	{
		"the answer to a change is shown as it came", "b2bua/anchor.go",
		"\tif err == nil {\n\t\tsig.Body = body\n\t\treturn sig\n\t}\n", "\tif err == nil {\n\t\t_ = body\n\t\treturn sig\n\t}\n",
		"is shown what no end of ours is", "anchored, changes",
	},
	{
		"who has described what cannot be anchored wins", "b2bua/control.go",
		"\t\t\tc.unheardOf(now, from, noMedia(err))\n\t\t\treturn\n", "",
		"R20: ", "no port is free",
	},
	{
		"the carrier's side is taken for the trunk's", "b2bua/anchor.go",
		"\tif from != c.In {\n\t\tside, carrier = media.Carrier, from\n\t}\n\ta :=", "\tif from != c.In {\n\t\tcarrier = from\n\t}\n\ta :=",
		"R20: leg 0 is shown the end", "anchored",
	},
	{
		"an answer stands as an offer", "b2bua/anchor.go",
		"body, err := c.carried(from, to, sig.Body, !offer)", "body, err := c.carried(from, to, sig.Body, offer)",
		"R20: an offer that has come to nothing still stands", "anchored, changes",
	},
	{
		"a refused change leaves its offer", "b2bua/anchor.go",
		"\tif sig.Code >= 300 || sig.Body.Empty() {\n\t\tc.refusedBy(from, to)\n", "\tif sig.Code >= 300 || sig.Body.Empty() {\n",
		"R20: an offer that has come to nothing still stands", "anchored, changes",
	},
	{
		"a change whose answer cannot be anchored leaves its offer", "b2bua/anchor.go",
		"\tc.refusedBy(from, to)\n\tif offer {", "\tif offer {",
		"R20: an offer that has come to nothing still stands", "an rtpengine that is lost in a call",
	},
	{
		"an acknowledgement that describes nothing leaves the offer", "b2bua/anchor.go",
		"\tif sig.Body = body; body.Empty() {\n\t\tc.refusedBy(from, to)\n\t}\n", "\tsig.Body = body\n",
		"R20: an offer that has come to nothing still stands", "an rtpengine that is lost in a call",
	},
	{
		"a change that cannot be anchored has no answer", "b2bua/anchor.go",
		"\t\tc.step(now, from, no)\n", "",
		"P7: ", "an rtpengine that is lost in a call",
	},
	{
		"silence ends nothing", "b2bua/anchor.go",
		"\tc.changed = true\n\tc.hangup(now, dialog.Cause{\n", "\t_ = append([]dialog.Cause(nil), dialog.Cause{\n",
		"R20: nobody is heard, and the call goes on", "an rtpengine that is lost in a call",
	},
	{
		"the silence of a carrier that is tried ends the call", "b2bua/anchor.go",
		"c.Winner < 0 || int(a.Leg) != c.Winner+1 || !c.EndedAt", "!c.EndedAt",
		"R20: the media of another leg than the winner's", "an rtpengine that is lost",
	},
	{
		"what is said to be silent is taken for it", "b2bua/anchor.go",
		" || !c.anchors.Silent(a) {", " {",
		"R20: the media of another leg than the winner's", "an rtpengine that is lost in a call",
	},
	{
		"a caller whose answer cannot be carried is left", "b2bua/follow.go",
		"\t\t\t\tc.tell(now, noMedia(err).Code, \"\", true)\n\t\t\t\tc.hangup(now, noMedia(err))\n\t\t\t\treturn true\n", "",
		"RFC 5589 §6.1: the target does not take the place", "an rtpengine that is lost in a transfer",
	},
	{
		"the record forgets the media", "b2bua/encode.go",
		"\t\tc.Media.Fields(r)\n", "",
		"P9", "anchored",
	},
}
