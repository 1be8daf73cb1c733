package main

import (
	"errors"
	"fmt"
	"net"
	"time"
)

// patience is how long one request may take; a page over a directory of 100,000 entries needs several seconds.
const patience = 120 * time.Second

// small bodies leave in one packet with their head.
const small = 16 << 10

// conn is one keep-alive HTTP/1.1 connection. net/http costs about 30 microseconds of CPU for each request, which on
// two cores would be taken from the server that is measured.
type conn struct {
	addr    string
	c       net.Conn
	answer  answer
	scratch []byte
}

func newConn(addr string) *conn { return &conn{addr: addr, scratch: make([]byte, 64<<10)} }

func (k *conn) drop() {
	if k.c != nil {
		_ = k.c.Close()
		k.c = nil
	}
}

// errUnanswered marks a connection that ended before the first byte of an answer.
var errUnanswered = errors.New("connection closed before an answer")

// do sends head and body and reads the whole answer, which is valid until the next call. A kept connection that the
// server has closed meanwhile is replaced once; any other failure is the caller's.
func (k *conn) do(method string, head []byte, body ...[]byte) (*answer, error) {
	kept := k.c != nil
	err := k.try(method, head, body)
	if kept && errors.Is(err, errUnanswered) {
		err = k.try(method, head, body)
	}
	return &k.answer, err
}

func (k *conn) try(method string, head []byte, body [][]byte) (err error) {
	if k.c == nil {
		if k.c, err = net.DialTimeout("tcp", k.addr, 5*time.Second); err != nil {
			k.c = nil
			return err
		}
	}
	if err = k.exchange(method, head, body); err != nil || !k.answer.keep {
		k.drop()
	}
	return err
}

func (k *conn) exchange(method string, head []byte, body [][]byte) error {
	if err := k.c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if err := k.send(head, body); err != nil {
		return fmt.Errorf("%w: %s", errUnanswered, err)
	}
	k.answer.await(method)
	for any := false; ; any = true {
		n, err := k.c.Read(k.scratch)
		if err != nil && n == 0 {
			if !any {
				return fmt.Errorf("%w: %s", errUnanswered, err)
			}
			return err
		}
		if done, err := k.answer.feed(k.scratch[:n]); done || err != nil {
			return err
		}
	}
}

func (k *conn) send(head []byte, body [][]byte) error {
	if len(body) == 1 && len(body[0]) < small {
		head, body = append(head[:len(head):len(head)], body[0]...), nil
	}
	if len(body) == 0 {
		_, err := k.c.Write(head)
		return err
	}
	parts := append(net.Buffers{head}, body...)
	_, err := parts.WriteTo(k.c)
	return err
}
