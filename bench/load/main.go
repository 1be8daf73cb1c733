// Command load puts load on a registry over keep-alive HTTP/1.1 connections and prints one JSON line with what it
// measured. It has no dependencies. See ../README.md for what the modes are used for.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
)

// options are the command line; each mode reads its part.
type options struct {
	mode, address, method, paths string
	name, manifest, prefix       string
	blob, from                   string
	connections, status          int
	length, size, chunk          int64
	first, count                 int64
	warm, seconds                time.Duration
	authorization                string
}

// head builds the head of a request; size below zero means that there is no body to announce.
func (o options) head(method, path string, size int64, more ...string) []byte {
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, path, o.address)
	if o.authorization != "" {
		fmt.Fprintf(&text, "Authorization: %s\r\n", o.authorization)
	}
	if size >= 0 {
		fmt.Fprintf(&text, "Content-Length: %d\r\n", size)
	}
	for _, line := range more {
		if line != "" {
			text.WriteString(line + "\r\n")
		}
	}
	text.WriteString("\r\n")
	return []byte(text.String())
}

func parse() options {
	var o options
	flag.StringVar(&o.mode, "mode", "fetch", "fetch, push-blob, push-image, put-tag, put-file or seed-image")
	flag.StringVar(&o.address, "address", "", "host:port of the server")
	flag.IntVar(&o.connections, "connections", 16, "keep-alive connections, one request at a time on each")
	flag.DurationVar(&o.warm, "warm", time.Second, "time before counting begins")
	flag.DurationVar(&o.seconds, "seconds", 5*time.Second, "time that is counted")
	flag.Int64Var(&o.count, "count", 0, "do exactly this many operations instead; no warm-up")
	flag.StringVar(&o.method, "method", "GET", "fetch: GET or HEAD")
	flag.StringVar(&o.paths, "paths", "", "fetch: file of paths, optionally a tab and one more header")
	flag.IntVar(&o.status, "status", 200, "fetch: the only status that counts as success")
	flag.Int64Var(&o.length, "length", -1, "fetch: length that every body must have; -1 for any")
	flag.StringVar(&o.name, "name", "", "repository that is written to")
	flag.Int64Var(&o.size, "size", 60_000_000, "push-blob, put-file: bytes of a blob or file")
	flag.Int64Var(&o.chunk, "chunk", 0, "push-blob: bytes of a PATCH; 0 for one PUT")
	flag.StringVar(&o.manifest, "manifest", "", "put-tag, seed-image: file with the manifest")
	flag.StringVar(&o.prefix, "prefix", "", "put-tag, put-file, seed-image: what tags or paths begin with")
	flag.Int64Var(&o.first, "first", 0, "put-tag, seed-image: first number")
	flag.StringVar(&o.blob, "blob", "", "seed-image: digest to mount")
	flag.StringVar(&o.from, "from", "", "seed-image: repository to mount from")
	flag.Parse()
	// Not a flag, so that it is not in the process list.
	o.authorization = os.Getenv("LOAD_AUTHORIZATION")
	return o
}

func (o options) operation() (operation, error) {
	switch o.mode {
	case "push-blob":
		return pushBlob(o)
	case "push-image":
		return pushImage(o)
	case "put-tag":
		return putTag(o)
	case "put-file":
		return putFile(o)
	case "seed-image":
		return seedImage(o)
	}
	return nil, fmt.Errorf("unknown mode %q", o.mode)
}

func run() (outcome, error) {
	opts := parse()
	team := newCrew(opts.address, opts.connections)
	if opts.mode == "fetch" {
		f, err := newFetch(opts)
		if err != nil {
			return outcome{}, err
		}
		f.begin(team)
		return team.forSeconds(opts.warm, opts.seconds)
	}
	op, err := opts.operation()
	if err != nil {
		return outcome{}, err
	}
	if opts.count > 0 {
		return team.forCount(op, opts.count), nil
	}
	team.begin(op)
	return team.forSeconds(opts.warm, opts.seconds)
}

func main() {
	result, err := run()
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(result)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}
