// Hello is the program inside the images of the client tests: static, so that it runs in an image made from nothing.
//
// It prints "hello" and its arguments; an argument that names a file is answered with the SHA-256 of its content, so
// that a test sees what the layers unpacked to.
package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
)

func describe(argument string) string {
	file, err := os.Open(argument)
	if err != nil {
		return argument
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%x", sum.Sum(nil))
}

func main() {
	fmt.Println("hello")
	for _, argument := range os.Args[1:] {
		fmt.Println(describe(argument))
	}
}
