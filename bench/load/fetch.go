package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

// request is one prepared GET or HEAD.
type request struct {
	path string
	head []byte
}

// fetch repeats GET or HEAD over the lines of a file: a path, and after a tab an optional further header line.
type fetch struct {
	opts     options
	requests []request
}

func newFetch(opts options) (*fetch, error) {
	file, err := os.Open(opts.paths)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	f := &fetch{opts: opts}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		path, extra, _ := strings.Cut(lines.Text(), "\t")
		f.requests = append(f.requests, request{path, opts.head(opts.method, path, -1, extra)})
	}
	if len(f.requests) == 0 {
		return nil, fmt.Errorf("%s holds no path", opts.paths)
	}
	return f, lines.Err()
}

func (f *fetch) request(n int64) request { return f.requests[n%int64(len(f.requests))] }

// judge holds an answer against the status and the length that the run was told.
func (f *fetch) judge(r request, a *answer) error {
	if a.status != f.opts.status {
		return a.expect(f.opts.method+" "+r.path, f.opts.status)
	}
	if f.opts.length >= 0 && a.body != f.opts.length {
		return fmt.Errorf("%s %s: %d bytes instead of %d", f.opts.method, r.path, a.body, f.opts.length)
	}
	return nil
}

// operation fetches by ordinary connections; where there is epoll, the poller is used instead.
func (f *fetch) operation(w *worker, n int64) error {
	r := f.request(n)
	a, err := w.conn.do(f.opts.method, r.head)
	if err != nil {
		return fmt.Errorf("%s %s: %w", f.opts.method, r.path, err)
	}
	w.bytes.Add(a.body)
	return f.judge(r, a)
}
