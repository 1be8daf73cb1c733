package main

import (
	"errors"
	"fmt"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

// tooMany failures end a run: a server that refuses everything must not be measured for its refusals.
const tooMany = 20

// worker holds one connection and what it has counted.
type worker struct {
	id    int
	conn  *conn
	ops   atomic.Int64
	bytes atomic.Int64
	mu    sync.Mutex
	took  []time.Duration
}

func newWorker(id int, addr string) *worker {
	return &worker{id: id, conn: newConn(addr)}
}

func (w *worker) finished(took time.Duration) {
	w.mu.Lock()
	w.took = append(w.took, took)
	w.mu.Unlock()
	w.ops.Add(1)
}

// outcome is one measurement, printed as JSON.
type outcome struct {
	Operations int64   `json:"operations"`
	Bytes      int64   `json:"bytes"`
	Seconds    float64 `json:"seconds"`
	P50        float64 `json:"p50_ms"`
	P99        float64 `json:"p99_ms"`
	All        int64   `json:"all_operations"` // with those of the warm-up
	Errors     int64   `json:"errors"`
	FirstError string  `json:"first_error"`
}

// crew is the workers of one run and the errors they met.
type crew struct {
	workers []*worker
	next    atomic.Int64
	errs    atomic.Int64
	first   atomic.Value
	broken  chan struct{}
	once    sync.Once
}

func newCrew(addr string, size int) *crew {
	c := &crew{broken: make(chan struct{})}
	for id := 0; id < size; id++ {
		c.workers = append(c.workers, newWorker(id, addr))
	}
	return c
}

// operation does one unit of work; n counts units over all workers and is never handed out twice.
type operation func(w *worker, n int64) error

// labour repeats the operation until limit units are done (0: for ever) or too many have failed.
func (c *crew) labour(w *worker, op operation, limit int64) {
	for {
		n := c.next.Add(1) - 1
		if limit > 0 && n >= limit {
			return
		}
		began := time.Now()
		if err := op(w, n); err != nil {
			w.conn.drop()
			if c.fail(err) >= tooMany {
				return
			}
			continue
		}
		w.finished(time.Since(began))
	}
}

// fail records an error and tells how many there have been.
func (c *crew) fail(err error) int64 {
	c.first.CompareAndSwap(nil, err.Error())
	sum := c.errs.Add(1)
	if sum == tooMany {
		c.stop()
	}
	return sum
}

func (c *crew) stop() { c.once.Do(func() { close(c.broken) }) }

// begin sets all workers to the operation, without end.
func (c *crew) begin(op operation) {
	for _, w := range c.workers {
		go c.labour(w, op, 0)
	}
}

// forCount runs exactly count operations; the time is until the last has been answered.
func (c *crew) forCount(op operation, count int64) outcome {
	var all sync.WaitGroup
	began := time.Now()
	for _, w := range c.workers {
		all.Add(1)
		go func(w *worker) {
			defer all.Done()
			c.labour(w, op, count)
		}(w)
	}
	all.Wait()
	return c.outcome(0, 0, time.Since(began))
}

// forSeconds counts what ends between warm and warm+seconds. Where not even one operation for each worker has ended by
// then, it waits for that many: a rate below one in five seconds is still a rate.
func (c *crew) forSeconds(warm, seconds time.Duration) (outcome, error) {
	if !c.sleep(warm) {
		return c.outcome(0, 0, warm), nil
	}
	c.forget()
	ops, bytes, began := c.ops(), c.bytes(), time.Now()
	c.sleep(seconds)
	for c.ops()-ops < int64(len(c.workers)) && c.errs.Load() == 0 {
		if time.Since(began) > patience {
			return outcome{}, errors.New("no operation ended in " + patience.String())
		}
		c.sleep(10 * time.Millisecond)
	}
	return c.outcome(ops, bytes, time.Since(began)), nil
}

// sleep waits for d; false when the run broke meanwhile.
func (c *crew) sleep(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-c.broken:
		return false
	}
}

func (c *crew) ops() (sum int64) {
	for _, w := range c.workers {
		sum += w.ops.Load()
	}
	return sum
}

func (c *crew) bytes() (sum int64) {
	for _, w := range c.workers {
		sum += w.bytes.Load()
	}
	return sum
}

func (c *crew) forget() {
	for _, w := range c.workers {
		w.mu.Lock()
		w.took = w.took[:0]
		w.mu.Unlock()
	}
}

func (c *crew) outcome(ops, bytes int64, took time.Duration) outcome {
	var all []time.Duration
	result := outcome{Operations: c.ops() - ops, Bytes: c.bytes() - bytes, Seconds: took.Seconds()}
	for _, w := range c.workers {
		w.mu.Lock()
		all = append(all, w.took...)
		w.mu.Unlock()
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	result.P50, result.P99 = quantile(all, 0.50), quantile(all, 0.99)
	result.All, result.Errors = c.ops(), c.errs.Load()
	if text := c.first.Load(); text != nil {
		result.FirstError = fmt.Sprint(text)
	}
	return result
}

func quantile(sorted []time.Duration, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[int(q*float64(len(sorted)-1))].Microseconds()) / 1000
}
