// Package carriers knows who is at the border: the trunks that call us, the
// carriers that we call, and the routes between them.
//
// Policies order, they do not do: nothing here sends, waits, logs or reads a
// clock. A Book is made from a Config that Validate finds no fault in, is never
// changed afterwards, and may be used by any number of goroutines; its owner
// replaces it whole when the configuration is loaded again.
//
// What a Book answers is a function of its Config, of the time, of what the DNS says at
// that time (Names) and of the call alone: the
// weighted choices are drawn from the call's own id, so that the same call gets
// the same targets on every node, and that a route can be tried beforehand.
package carriers
