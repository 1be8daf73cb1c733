//go:build !linux

package main

// begin fetches by ordinary connections.
func (f *fetch) begin(c *crew) { c.begin(f.operation) }
