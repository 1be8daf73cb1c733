package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"syscall"
	"time"
)

// pollers is the number of event loops, as many as wrk has threads by default.
const pollers = 2

// begin fetches with event loops on epoll. Go's own poller costs half as much CPU again for each request as wrk needs,
// and on two cores that is taken from the server that is measured; this costs what wrk costs.
func (f *fetch) begin(c *crew) {
	for i := 0; i < pollers; i++ {
		var mine []*worker
		for j := i; j < len(c.workers); j += pollers {
			mine = append(mine, c.workers[j])
		}
		if len(mine) > 0 {
			go func() {
				if err := newLoop(f, c).run(mine); err != nil {
					c.fail(err)
					c.stop()
				}
			}()
		}
	}
}

// polled is a connection in a loop, with the request that it waits for.
type polled struct {
	w      *worker
	file   *os.File
	fd     int
	asked  request
	began  time.Time
	answer answer
}

type loop struct {
	f       *fetch
	c       *crew
	epoll   int
	conns   map[int32]*polled
	scratch []byte
}

func newLoop(f *fetch, c *crew) *loop {
	return &loop{f: f, c: c, conns: map[int32]*polled{}, scratch: make([]byte, 256<<10)}
}

func (l *loop) run(workers []*worker) (err error) {
	runtime.LockOSThread()
	if l.epoll, err = syscall.EpollCreate1(0); err != nil {
		return err
	}
	for _, w := range workers {
		if err = l.open(w); err != nil {
			return err
		}
	}
	events := make([]syscall.EpollEvent, len(workers))
	for {
		n, err := syscall.EpollWait(l.epoll, events, -1)
		if err != nil && err != syscall.EINTR {
			return err
		}
		for _, event := range events[:max(n, 0)] {
			if err = l.ready(l.conns[event.Fd]); err != nil {
				return err
			}
		}
	}
}

// open connects a worker and sends its first request.
func (l *loop) open(w *worker) error {
	c, err := net.DialTimeout("tcp", w.conn.addr, 5*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return errors.New("not a TCP connection")
	}
	file, err := tcp.File()
	if err != nil {
		return err
	}
	p := &polled{w: w, file: file, fd: int(file.Fd())}
	if err = syscall.SetNonblock(p.fd, true); err != nil {
		return err
	}
	l.conns[int32(p.fd)] = p
	event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(p.fd)}
	if err = syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_ADD, p.fd, &event); err != nil {
		return err
	}
	return l.ask(p)
}

func (l *loop) close(p *polled) error {
	delete(l.conns, int32(p.fd))
	return p.file.Close()
}

func (l *loop) ask(p *polled) error {
	p.asked = l.f.request(l.c.next.Add(1) - 1)
	p.began = time.Now()
	p.answer.await(l.f.opts.method)
	if n, err := syscall.Write(p.fd, p.asked.head); err != nil || n < len(p.asked.head) {
		return l.renew(p, fmt.Errorf("a request could not be sent: %v", err))
	}
	return nil
}

// ready reads what has come and, at the end of an answer, asks for the next.
func (l *loop) ready(p *polled) error {
	n, err := syscall.Read(p.fd, l.scratch)
	if err == syscall.EAGAIN || err == syscall.EINTR {
		return nil
	}
	if n <= 0 {
		return l.renew(p, fmt.Errorf("%s: connection ended: %v", p.asked.path, err))
	}
	before := p.answer.body
	done, err := p.answer.feed(l.scratch[:n])
	p.w.bytes.Add(p.answer.body - before)
	if err == nil && !done {
		return nil
	}
	if err == nil {
		err = l.f.judge(p.asked, &p.answer)
	}
	if err != nil {
		return l.renew(p, err)
	}
	p.w.finished(time.Since(p.began))
	if !p.answer.keep {
		return l.reopen(p)
	}
	return l.ask(p)
}

// renew counts a failure and goes on with a new connection, unless there have been too many.
func (l *loop) renew(p *polled, cause error) error {
	// A server may close a kept connection between two requests; that is no failure of the request.
	if p.answer.headed || len(p.answer.head) > 0 || p.w.ops.Load() == 0 {
		l.c.fail(cause)
	}
	return l.reopen(p)
}

func (l *loop) reopen(p *polled) error {
	if err := l.close(p); err != nil {
		return err
	}
	select {
	case <-l.c.broken:
		return nil
	default:
		return l.open(p.w)
	}
}
