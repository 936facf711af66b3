// Package e2e runs calls through the built program, with SIPp, Kamailio and
// baresip at its sides, on loopback:
//
//	go test -tags e2e ./deploy/e2e
//
// Each test has a /24 of its own, 127.0.N.0: the border listens on .1 (realm
// core) and .2 (realm peering), the caller is .11, a proxy or phone in front .12,
// the carriers are .21 and .22, an unknown source is .66.
package e2e
