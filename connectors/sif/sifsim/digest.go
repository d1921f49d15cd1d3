package sifsim

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

var errNoJSON = errors.New("no JSON that can be read")

// digestFiles copies JSON with "sha256:HEX:SIZE" in the place of each Base64Data, so that a file of any
// size costs a buffer. It knows of JSON only what a string is; what it copies is read strictly afterwards.
func digestFiles(r io.Reader) ([]byte, error) {
	in, out := bufio.NewReaderSize(r, 16<<10), &bytes.Buffer{}
	last := "" // the string before
	for out.Len() < maxText {
		b, err := in.ReadByte()
		switch {
		case err == io.EOF:
			return out.Bytes(), nil
		case err != nil:
			return nil, err
		case b != '"':
			if b != ' ' && b != ':' {
				last = ""
			}
			out.WriteByte(b)
		case last == "Base64Data":
			if err := digest(in, out); err != nil {
				return nil, err
			}
			last = ""
		default:
			if last, err = copyString(in, out); err != nil {
				return nil, err
			}
		}
	}
	return nil, errNoJSON
}

// copyString copies a string whose first quote has been read, and gives what stands in it.
func copyString(in *bufio.Reader, out *bytes.Buffer) (string, error) {
	out.WriteByte('"')
	start := out.Len()
	for escaped := false; out.Len() < maxText; {
		b, err := in.ReadByte()
		if err != nil {
			return "", errNoJSON
		}
		out.WriteByte(b)
		if b == '"' && !escaped {
			return string(out.Bytes()[start : out.Len()-1]), nil
		}
		escaped = b == '\\' && !escaped
	}
	return "", errNoJSON
}

// digest reads a string of base64 to its last quote.
func digest(in *bufio.Reader, out *bytes.Buffer) error {
	sum := sha256.New()
	text := &untilQuote{in: in}
	size, err := io.Copy(sum, base64.NewDecoder(base64.StdEncoding, text))
	if err != nil {
		return errNoJSON
	}
	if after, err := io.Copy(io.Discard, text); after > 0 || err != nil { // the decoder stops at the padding
		return errNoJSON
	}
	fmt.Fprintf(out, `"sha256:%x:%d"`, sum.Sum(nil), size)
	return nil
}

func parseDigest(s string) (sum string, size int64, ok bool) {
	rest, isDigest := strings.CutPrefix(s, "sha256:")
	sum, length, _ := strings.Cut(rest, ":")
	size, err := strconv.ParseInt(length, 10, 64)
	raw, _ := hex.DecodeString(sum)
	return sum, size, isDigest && err == nil && len(raw) == sha256.Size
}

// untilQuote reads a JSON string without its escapes: base64 needs none, but "/" may be written "\/".
type untilQuote struct {
	in    *bufio.Reader
	ended bool
}

func (u *untilQuote) Read(p []byte) (int, error) {
	if u.ended {
		return 0, io.EOF
	}
	if u.in.Buffered() == 0 {
		if _, err := u.in.Peek(1); err != nil {
			return 0, io.ErrUnexpectedEOF
		}
	}
	chunk, _ := u.in.Peek(min(len(p), u.in.Buffered()))
	end := bytes.IndexByte(chunk, '"')
	if u.ended = end >= 0; u.ended {
		chunk = chunk[:end]
	}
	n := copyUnescaped(p, chunk)
	u.in.Discard(len(chunk))
	if u.ended {
		u.in.Discard(1)
	}
	return n, nil
}

func copyUnescaped(p, chunk []byte) (n int) {
	if bytes.IndexByte(chunk, '\\') < 0 {
		return copy(p, chunk)
	}
	return copy(p, bytes.ReplaceAll(chunk, []byte(`\`), nil))
}
