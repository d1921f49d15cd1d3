package document

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"
)

// A Charset is one of the three that Swedish systems read and write.
type Charset string

const (
	UTF8        Charset = "UTF-8"
	Latin1      Charset = "ISO-8859-1"
	Windows1252 Charset = "windows-1252"
)

// windows1252 holds the characters of the bytes 0x80 to 0x9F; 0 where there is none. Below and above,
// windows-1252 is ISO-8859-1.
var windows1252 = [32]rune{
	'€', 0, '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', 0, 'Ž', 0,
	0, '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', 0, 'ž', 'Ÿ',
}

// decode returns the character of one byte of a single-byte charset, or false.
func (c Charset) decode(b byte) (rune, bool) {
	if c == Windows1252 && b >= 0x80 && b < 0xA0 {
		r := windows1252[b-0x80]
		return r, r != 0
	}
	return rune(b), true
}

// encode returns the byte of a character in a single-byte charset, or false.
func (c Charset) encode(r rune) (byte, bool) {
	if r < 0x80 || r >= 0xA0 && r <= 0xFF || c == Latin1 && r <= 0xFF {
		return byte(r), true
	}
	if c == Windows1252 {
		for i, w := range windows1252 {
			if w == r {
				return byte(0x80 + i), true
			}
		}
	}
	return 0, false
}

// charsetNamed knows the names that XML declarations use for our three charsets.
func charsetNamed(name string) (Charset, bool) {
	switch strings.ToLower(name) {
	case "", "utf-8", "utf8":
		return UTF8, true
	case "iso-8859-1", "iso8859-1", "latin1":
		return Latin1, true
	case "windows-1252", "cp1252":
		return Windows1252, true
	}
	return "", false
}

// A prolog is what a document says about itself before its first element.
type prolog struct {
	charset Charset
	xml11   bool
	length  int // bytes of byte order mark and declaration
}

var xmlDeclaration = regexp.MustCompile(`^<\?xml` +
	`[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*(?:"(1\.[01])"|'(1\.[01])')` +
	`(?:[ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*(?:"([A-Za-z][A-Za-z0-9._-]*)"|'([A-Za-z][A-Za-z0-9._-]*)'))?` +
	`(?:[ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*(?:"(?:yes|no)"|'(?:yes|no)'))?[ \t\r\n]*\?>`)

const (
	byteOrderMark = "\xEF\xBB\xBF"
	longestProlog = 512
)

// readProlog reads the declaration as bytes, since it is what says how the rest shall be read. The
// Kind is empty when all is well.
func readProlog(start []byte) (prolog, Kind) {
	p := prolog{charset: UTF8}
	rest, marked := bytes.CutPrefix(start, []byte(byteOrderMark))
	if bytes.IndexByte(rest[:min(4, len(rest))], 0) >= 0 ||
		bytes.HasPrefix(rest, []byte("\xFF\xFE")) || bytes.HasPrefix(rest, []byte("\xFE\xFF")) {
		return p, Encoding // UTF-16 or UTF-32, with or without a mark
	}
	p.length = len(start) - len(rest)
	if !bytes.HasPrefix(rest, []byte("<?xml")) {
		return p, ""
	}
	m := xmlDeclaration.FindSubmatch(rest)
	if m == nil {
		return p, Malformed
	}
	p.length += len(m[0])
	p.xml11 = string(m[1])+string(m[2]) == "1.1"
	charset, known := charsetNamed(string(m[3]) + string(m[4]))
	if !known || marked && charset != UTF8 {
		return p, Encoding
	}
	p.charset = charset
	return p, ""
}

// A charReader turns the bytes of a document into UTF-8, and lets through only whole characters that
// XML allows to stand in a document as they are.
type charReader struct {
	in      io.Reader
	charset Charset
	raw     []byte
	given   int    // the bytes of raw that the last call gave out
	held    int    // the bytes of raw that were read; what follows given is a character cut in two
	out     []byte // the decoded characters of a single-byte charset

	beyondASCII, wellFormedUTF8 bool // of all that was read, see mislabelled
}

// mislabelled says whether a document claims a single-byte charset while everything in it beyond ASCII
// is well-formed UTF-8: å would be delivered as Ã¥.
func (c *charReader) mislabelled() bool {
	return c.charset != UTF8 && c.beyondASCII && c.wellFormedUTF8
}

func newCharReader(in io.Reader, charset Charset) *charReader {
	return &charReader{in: in, charset: charset, raw: make([]byte, 8<<10), wellFormedUTF8: true}
}

// more returns the next characters, valid until the next call. At the end it returns io.EOF; where
// bytes are not what they claim, the good characters before them and a *charError.
func (c *charReader) more() ([]byte, error) {
	c.held = copy(c.raw, c.raw[c.given:c.held])
	n, err := c.in.Read(c.raw[c.held:])
	c.held += n
	whole := c.held
	if err == nil {
		whole -= cutShort(c.raw[:c.held])
	} else if err != io.EOF {
		return nil, err
	}
	c.given = whole
	chunk, kind := c.decode(c.raw[:whole])
	if kind == "" {
		if bad := indexForbidden(chunk); bad >= 0 {
			chunk, kind = chunk[:bad], Malformed
		}
	}
	if kind != "" {
		return chunk, &charError{kind}
	}
	if whole == 0 && err == io.EOF {
		if c.mislabelled() {
			return nil, &charError{Encoding}
		}
		return nil, io.EOF
	}
	return chunk, nil
}

type charError struct{ kind Kind }

func (e *charError) Error() string { return string(e.kind) }

func (c *charReader) decode(raw []byte) ([]byte, Kind) {
	valid := utf8.Valid(raw)
	if c.charset == UTF8 {
		if !valid {
			return raw[:validLength(raw)], Encoding
		}
		return raw, ""
	}
	c.wellFormedUTF8 = c.wellFormedUTF8 && valid
	c.out = c.out[:0]
	for _, b := range raw {
		if b < 0x80 {
			c.out = append(c.out, b)
			continue
		}
		c.beyondASCII = true
		r, ok := c.charset.decode(b)
		if !ok {
			return c.out, Encoding
		}
		c.out = utf8.AppendRune(c.out, r)
	}
	return c.out, ""
}

// cutShort counts the bytes at the end of b that begin a UTF-8 character and do not complete it.
func cutShort(b []byte) int {
	for i := 1; i <= min(utf8.UTFMax-1, len(b)); i++ {
		if start := b[len(b)-i:]; utf8.RuneStart(start[0]) {
			if utf8.FullRune(start) {
				return 0
			}
			return i
		}
	}
	return 0
}

func validLength(b []byte) int {
	n := 0
	for n < len(b) {
		r, size := utf8.DecodeRune(b[n:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		n += size
	}
	return n
}

// indexForbidden finds the first character in UTF-8 text that XML 1.0 forbids, or -1.
func indexForbidden[T string | []byte](text T) int {
	for i := range len(text) {
		switch b := text[i]; {
		case b >= ' ' && b != 0xEF || b == '\n' || b == '\t' || b == '\r':
		case b < ' ':
			return i
		case i+2 < len(text) && text[i+1] == 0xBF && text[i+2] >= 0xBE: // U+FFFE, U+FFFF
			return i
		}
	}
	return -1
}
