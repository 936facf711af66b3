// Package ops is how a node is operated, and what operators see of the calls: ladders,
// and why a call went as it did.
//
// There is an HTTP API under /v1, described by OpenAPI 3.1 at /v1/openapi.json, with
// /healthz and /readyz for who supervises the process and /metrics for Prometheus. By
// the Unix socket whoever may open it is an admin; by TCP each request bears a token of
// the tokens file, which has a role. What changes something is logged with who asked for
// it. Errors are problems of RFC 9457.
package ops
