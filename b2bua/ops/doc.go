// Package ops is what operators see of the calls: ladders, and why a call went as it did.
package ops
