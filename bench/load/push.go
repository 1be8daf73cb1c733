package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

func digestOf(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// local turns the Location of an upload into a path: registries answer with either.
func local(location string) (string, error) {
	if _, rest, absolute := strings.Cut(location, "://"); absolute {
		slash := strings.IndexByte(rest, '/')
		if slash < 0 {
			return "", fmt.Errorf("Location without a path: %q", location)
		}
		return rest[slash:], nil
	}
	if !strings.HasPrefix(location, "/") {
		return "", fmt.Errorf("Location is no path: %q", location)
	}
	return location, nil
}

func withDigest(path, digest string) string {
	if strings.Contains(path, "?") {
		return path + "&digest=" + digest
	}
	return path + "?digest=" + digest
}

// step sends one request of an upload and returns where the next one goes.
func (o options) step(w *worker, method, path string, wanted int, extra string, body ...[]byte) (string, error) {
	size := int64(0)
	for _, part := range body {
		size += int64(len(part))
	}
	head := o.head(method, path, size, "Content-Type: application/octet-stream", extra)
	answer, err := w.conn.do(method, head, body...)
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", method, path, err)
	}
	if err = answer.expect(method+" "+path, wanted); err != nil {
		return "", err
	}
	if answer.location == "" {
		return "", nil
	}
	return local(answer.location)
}

// upload pushes one blob as clients do: POST, then one PUT with the bytes.
func (o options) upload(w *worker, name, digest string, body ...[]byte) error {
	session, err := o.step(w, "POST", "/v2/"+name+"/blobs/uploads/", 202, "")
	if err != nil {
		return err
	}
	_, err = o.step(w, "PUT", withDigest(session, digest), 201, "", body...)
	return err
}

// uploadChunks pushes one blob in PATCHes of a fixed size and an empty PUT.
func (o options) uploadChunks(w *worker, name, digest string, body ...[]byte) error {
	session, err := o.step(w, "POST", "/v2/"+name+"/blobs/uploads/", 202, "")
	if err != nil {
		return err
	}
	offset := int64(0)
	for len(body) > 0 {
		var piece [][]byte
		var size int64
		piece, body, size = cut(body, o.chunk)
		extra := fmt.Sprintf("Content-Range: %d-%d", offset, offset+size-1)
		if session, err = o.step(w, "PATCH", session, 202, extra, piece...); err != nil {
			return err
		}
		offset += size
	}
	_, err = o.step(w, "PUT", withDigest(session, digest), 201, "")
	return err
}

// cut takes the first size bytes off a list of parts without copying.
func cut(parts [][]byte, size int64) (taken, rest [][]byte, got int64) {
	for i, part := range parts {
		if room := size - got; int64(len(part)) > room {
			if room > 0 {
				taken = append(taken, part[:room])
			}
			return taken, append([][]byte{part[room:]}, parts[i+1:]...), size
		}
		taken = append(taken, part)
		got += int64(len(part))
	}
	return taken, nil, got
}

// pushBlob pushes blobs that differ in their last 64 bytes only. All digests are made before the clock starts: the
// hash of the common part is computed once and continued for each, so 60 MB of new content costs one block.
func pushBlob(opts options) (operation, error) {
	if opts.count <= 0 || opts.size < 64 {
		return nil, errors.New("push-blob needs -count and a -size of at least 64")
	}
	body := make([]byte, opts.size)
	if _, err := rand.Read(body); err != nil {
		return nil, err
	}
	common := body[:opts.size-64]
	state := sha256.New()
	state.Write(common)
	saved, err := state.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return nil, err
	}
	tails, digests := make([][]byte, opts.count), make([]string, opts.count)
	for i := range tails {
		tails[i] = make([]byte, 64)
		if _, err = rand.Read(tails[i]); err != nil {
			return nil, err
		}
		hash := sha256.New()
		if err = hash.(encoding.BinaryUnmarshaler).UnmarshalBinary(saved); err != nil {
			return nil, err
		}
		hash.Write(tails[i])
		digests[i] = "sha256:" + hex.EncodeToString(hash.Sum(nil))
	}
	send := opts.upload
	if opts.chunk > 0 {
		send = opts.uploadChunks
	}
	return func(w *worker, n int64) error {
		err := send(w, opts.name, digests[n], common, tails[n])
		if err == nil {
			w.bytes.Add(opts.size)
		}
		return err
	}, nil
}

// putFile writes new files with plain PUTs, a hundred to a folder; no two hold the same bytes.
func putFile(opts options) (operation, error) {
	if opts.size < 64 {
		return nil, errors.New("put-file needs a -size of at least 64")
	}
	body := make([]byte, opts.size-64)
	if _, err := rand.Read(body); err != nil {
		return nil, err
	}
	return func(w *worker, n int64) error {
		tail := make([]byte, 64)
		if _, err := rand.Read(tail); err != nil {
			return err
		}
		path := fmt.Sprintf("%s/%d/%09d.bin", opts.prefix, n/100, n)
		_, err := opts.step(w, "PUT", path, 201, "", body, tail)
		if err == nil {
			w.bytes.Add(opts.size)
		}
		return err
	}, nil
}
