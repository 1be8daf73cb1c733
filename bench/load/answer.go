package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// answer reads one HTTP/1.1 response from the pieces in which it arrives. Bodies are counted and thrown away, all but
// the first bytes of a refusal.
type answer struct {
	status   int
	location string
	start    []byte // at most 200 bytes, of refusals only
	body     int64  // bytes of payload so far
	keep     bool   // the connection can carry another request

	bodiless bool // the request was HEAD
	headed   bool
	head     []byte
	left     int64 // bytes of payload until the end, or of this chunk
	chunks   bool
	line     []byte // of the chunk framing, as far as it has come
	last     bool   // the chunk of size 0 has been seen
}

// await prepares for the answer to a request of this method.
func (a *answer) await(method string) {
	*a = answer{bodiless: method == "HEAD", head: a.head[:0], line: a.line[:0]}
}

// feed takes the next bytes from the connection; done tells that the response ended with them.
func (a *answer) feed(p []byte) (done bool, err error) {
	if a.headed {
		return a.take(p)
	}
	if len(a.head) > 0 || !bytes.Contains(p, headEnd) {
		a.head = append(a.head, p...)
		p = a.head
	}
	end := bytes.Index(p, headEnd)
	if end < 0 {
		if len(p) > 64<<10 {
			return false, errors.New("a response head of more than 64 KiB")
		}
		return false, nil
	}
	a.headed = true
	if err = a.parse(p[:end+2]); err != nil {
		return false, err
	}
	if a.bodiless || a.status == 204 || a.status == 304 {
		return true, nil
	}
	if a.left < 0 {
		return false, errors.New("a response without a length")
	}
	return a.take(p[end+len(headEnd):])
}

var headEnd = []byte("\r\n\r\n")

// parse reads the status line and the headers that matter here.
func (a *answer) parse(head []byte) error {
	line, rest, _ := bytes.Cut(head, []byte("\r\n"))
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return fmt.Errorf("not an HTTP/1.1 status line: %q", line)
	}
	var err error
	if a.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return err
	}
	a.left, a.keep = -1, true
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case is(name, "Content-Length"):
			if a.left, err = strconv.ParseInt(string(value), 10, 64); err != nil {
				return err
			}
		case is(name, "Transfer-Encoding"):
			a.chunks, a.left = true, 0
		case is(name, "Location"):
			a.location = string(value)
		case is(name, "Connection"):
			a.keep = !strings.EqualFold(string(value), "close")
		}
	}
	return nil
}

func is(name []byte, wanted string) bool {
	return len(name) == len(wanted) && strings.EqualFold(string(name), wanted)
}

func (a *answer) take(p []byte) (bool, error) {
	if a.chunks {
		return a.takeChunks(p)
	}
	if int64(len(p)) > a.left {
		return false, errors.New("a body longer than announced")
	}
	a.payload(p)
	return a.left == 0, nil
}

func (a *answer) payload(p []byte) {
	a.left -= int64(len(p))
	a.body += int64(len(p))
	if room := 200 - len(a.start); a.status >= 400 && room > 0 {
		a.start = append(a.start, p[:min(len(p), room)]...)
	}
}

// takeChunks follows chunked framing: a size line, the bytes, an empty line; the chunk of size 0 and an empty line end it.
func (a *answer) takeChunks(p []byte) (bool, error) {
	for len(p) > 0 {
		if a.left > 0 {
			n := min(int64(len(p)), a.left)
			a.payload(p[:n])
			p = p[n:]
			continue
		}
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			a.line = append(a.line, p...)
			return false, nil
		}
		a.line = append(a.line, p[:end]...)
		p = p[end+1:]
		done, err := a.chunkLine()
		if done || err != nil {
			return done, err
		}
	}
	return false, nil
}

func (a *answer) chunkLine() (bool, error) {
	text, _, _ := strings.Cut(strings.TrimSpace(string(a.line)), ";")
	a.line = a.line[:0]
	if text == "" {
		return a.last, nil
	}
	size, err := strconv.ParseInt(text, 16, 64)
	a.left, a.last = size, size == 0
	return false, err
}

// expect turns an answer other than the wanted one into an error that names it.
func (a *answer) expect(what string, wanted int) error {
	if a.status == wanted {
		return nil
	}
	return fmt.Errorf("%s: %d %s", what, a.status, bytes.TrimSpace(a.start))
}
