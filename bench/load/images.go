package main

import (
	"encoding/hex"
	"fmt"
	"math/rand"
	"os"
	"strings"
	"time"
)

const (
	manifestType = "application/vnd.docker.distribution.manifest.v2+json"
	configType   = "application/vnd.docker.container.image.v1+json"
	layerType    = "application/vnd.docker.image.rootfs.diff.tar.gzip"
)

// descriptor is one entry of a manifest, as JSON.
func descriptor(media string, size int, digest string) string {
	return fmt.Sprintf(`{"mediaType":%q,"size":%d,"digest":%q}`, media, size, digest)
}

func manifest(config string, layers ...string) []byte {
	return []byte(fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s]}`,
		manifestType, config, strings.Join(layers, ",")))
}

// imageConfig is a valid image configuration of exactly 1 KiB that names its layers.
func imageConfig(random *rand.Rand, layers []string) []byte {
	text := fmt.Sprintf(`{"architecture":"amd64","os":"linux","config":{"Cmd":["/hello"]},`+
		`"rootfs":{"type":"layers","diff_ids":["%s"]},"author":"`, strings.Join(layers, `","`))
	noise := make([]byte, (1024-len(text)-2+1)/2)
	random.Read(noise)
	return []byte(text + hex.EncodeToString(noise)[:1024-len(text)-2] + `"}`)
}

// pushImage pushes whole images into one repository: for each of three blobs HEAD, POST, PUT, then the manifest under
// a new tag.
func pushImage(opts options) (operation, error) {
	sources := make([]*rand.Rand, opts.connections)
	for i := range sources {
		sources[i] = rand.New(rand.NewSource(time.Now().UnixNano() + int64(i)<<32))
	}
	run := fmt.Sprintf("%x", time.Now().UnixNano())
	return func(w *worker, n int64) error {
		random := sources[w.id]
		layers, digests := make([][]byte, 2), make([]string, 2)
		described := make([]string, 2)
		for i := range layers {
			layers[i] = make([]byte, 4096)
			random.Read(layers[i])
			digests[i] = digestOf(layers[i])
			described[i] = descriptor(layerType, 4096, digests[i])
			if err := opts.offer(w, digests[i], layers[i]); err != nil {
				return err
			}
		}
		config := imageConfig(random, digests)
		if err := opts.offer(w, digestOf(config), config); err != nil {
			return err
		}
		body := manifest(descriptor(configType, len(config), digestOf(config)), described...)
		return opts.putManifest(w, opts.name, fmt.Sprintf("%s-%d", run, n), body, manifestType)
	}, nil
}

// offer asks for a blob and pushes it when it is not there.
func (o options) offer(w *worker, digest string, body []byte) error {
	path := "/v2/" + o.name + "/blobs/" + digest
	answer, err := w.conn.do("HEAD", o.head("HEAD", path, -1))
	if err != nil {
		return fmt.Errorf("HEAD %s: %w", path, err)
	}
	if err = answer.expect("HEAD "+path, 404); err != nil {
		return err
	}
	return o.upload(w, o.name, digest, body)
}

func (o options) putManifest(w *worker, name, tag string, body []byte, media string) error {
	path := "/v2/" + name + "/manifests/" + tag
	answer, err := w.conn.do("PUT", o.head("PUT", path, int64(len(body)), "Content-Type: "+media), body)
	if err != nil {
		return fmt.Errorf("PUT %s: %w", path, err)
	}
	return answer.expect("PUT "+path, 201)
}

// putTag puts the same manifest under new tags: prefix and a number of nine digits, from first on.
func putTag(opts options) (operation, error) {
	body, err := os.ReadFile(opts.manifest)
	if err != nil {
		return nil, err
	}
	return func(w *worker, n int64) error {
		return opts.putManifest(w, opts.name, fmt.Sprintf("%s%09d", opts.prefix, opts.first+n), body, manifestType)
	}, nil
}

// seedImage makes new repositories name/<prefix><nine digits> with one tag each, their one blob mounted from `from`.
func seedImage(opts options) (operation, error) {
	body, err := os.ReadFile(opts.manifest)
	if err != nil {
		return nil, err
	}
	return func(w *worker, n int64) error {
		name := fmt.Sprintf("%s/%s%09d", opts.name, opts.prefix, opts.first+n)
		path := "/v2/" + name + "/blobs/uploads/?mount=" + opts.blob + "&from=" + opts.from
		if _, err := opts.step(w, "POST", path, 201, ""); err != nil {
			return err
		}
		return opts.putManifest(w, name, "1", body, manifestType)
	}, nil
}
