package verbs

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"testing"
)

// fileRows come with files.
func (b *hostileBed) fileRows() []hostileRow {
	const program, page = "MZ\x90\x00\x03\x00\x00\x00", "<html><script>alert(1)</script></html>"
	sum := hex.EncodeToString(make([]byte, 32))
	var rows []hostileRow
	refused := func(n int, name, want, code string, parts ...string) {
		rows = append(rows, hostileRow{n: n, name: name, request: b.multi(parts...), want: want, code: code})
	}
	received := func(n int, name, becomes string, files ...string) {
		rows = append(rows, hostileRow{n: n, name: name, want: "202", becomes: becomes, request: b.multi(append([]string{envelopePart(b.form())}, files...)...)})
	}
	rows = append(rows,
		hostileRow{n: 70, name: "100 MiB", act: largestFile},
		hostileRow{n: 70, name: "a byte more", act: tooLargeFile},
		hostileRow{n: 70, name: "a length that nobody would read", request: call("POST", "/v1/submissions", "", b.as("portalen"), b.key(), isMultipart, "Content-Length: 300000000"), want: "413 payload-too-large", closed: true},
	)
	refused(71, "another hash", "422 attachment-hash-mismatch", "attachment-hash-mismatch", envelopePart(b.form(`attachments=[{"sha256":"`+sum+`"}]`)), filePart("a", "a"))
	refused(71, "another size", "422 attachment-hash-mismatch", "attachment-hash-mismatch", envelopePart(b.form(`attachments=[{"size":2}]`)), filePart("a", "a"))
	many := []string{envelopePart(b.form())}
	for range 1000 {
		many = append(many, filePart("a", ""))
	}
	refused(72, "1,001 parts", "413 too-many-parts", "", many...)
	refused(72, "a part that is no file", "422 validation-failed", "part-without-filename", envelopePart(b.form()), "name=\"x\"\nx")
	refused(72, "the form again", "422 validation-failed", "unknown-part", envelopePart(b.form()), "name=\"submission\"; filename=\"x\"\nx")
	refused(72, "a file first", "422 validation-failed", "submission-not-first", filePart("a", "a"), envelopePart(b.form()))
	for _, name := range []string{"../../" + hiddenFile, `C:\\` + hiddenFile, strings.Repeat("n", 300), ".htaccess", "\u202efdp.exe", "", "CON"} {
		received(73, fmt.Sprintf("%.12q", name), "COMPLETED", filePart(name, "x"))
	}
	received(73, "line breaks", "COMPLETED", "name=\"file\"; filename*=UTF-8''a%0D%0ASet-Cookie%3A%20x%3Dy\nx")
	received(73, "NUL", "COMPLETED", "name=\"file\"; filename*=UTF-8''a%00b\nx")
	refused(73, "NUL, as it is: that is no header", "400 malformed-request", "", envelopePart(b.form()), filePart("a\x00b", "x"))
	received(74, "a program that is called a PDF", "HELD rule", filePart(hiddenFile+".pdf", program))
	typed := strings.Replace(multipart(envelopePart(b.form()), filePart("x", page)), "\r\n\r\n<html>", "\r\nContent-Type: application/pdf\r\n\r\n<html>", 1)
	rows = append(rows, hostileRow{n: 74, name: "a page that is called a PDF", want: "202", becomes: "HELD rule", request: call("POST", "/v1/submissions", typed, b.as("portalen"), b.key(), isMultipart)})
	received(74, "a page and a PDF in one", "HELD rule", filePart("a.pdf", page+"%PDF-1.7"))
	received(74, "a drawing with a script", "HELD rule", filePart("a.svg", `<svg xmlns="http://www.w3.org/2000/svg">`+strings.Repeat("<g/>", 10_000)+`<script>x</script></svg>`))
	received(74, "a drawing", "COMPLETED", filePart("a.svg", `<svg xmlns="http://www.w3.org/2000/svg"/>`))
	received(74, "a PDF", "COMPLETED", filePart("a.pdf", "%PDF-1.7\n"))
	received(75, "an archive of archives", "COMPLETED", filePart("a.zip", "PK\x03\x04"+strings.Repeat("PK\x03\x04\xff\xff\xff\xff", 5000)))
	received(76, "a virus that is none, and nobody looks", "COMPLETED", filePart("a.txt", `X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-`+`STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`))
	received(77, "nothing in it", "COMPLETED", filePart("a.pdf", ""))
	received(78, "two of a name, and one twice", "COMPLETED", filePart("a.txt", "1"), filePart("a.txt", "2"), filePart("b.txt", "2"))
	rows = append(rows, hostileRow{n: 79, name: "gone at the end", act: goneAtTheEnd})
	good := multipart(envelopePart(b.form()))
	for name, media := range map[string]string{"no boundary": "multipart/form-data", "boundary of 80": "multipart/form-data; boundary=" + strings.Repeat("b", 80)} {
		rows = append(rows, hostileRow{n: 80, name: name, want: "400 malformed-request", request: call("POST", "/v1/submissions", good, b.as("portalen"), b.key(), "Content-Type: "+media)})
	}
	refused(80, "header of 20 KiB", "400 malformed-request", "", envelopePart(b.form()), filePart(strings.Repeat("a", 20<<10), "x"))
	refused(80, "boundary in the content", "400 malformed-request", "", envelopePart(b.form()), filePart("a", "x\r\n--grans\r\ny"))
	rows = append(rows, hostileRow{n: 81, name: "an upload that was begun", notYet: "files come with their form and in no other way"})
	return rows
}

// largestFile: a file may have 100 MiB, and costs no memory.
func largestFile(t *testing.T, b *hostileBed) {
	a := b.sendLarge(t, 100<<20)
	b.expect(a.id(t), "COMPLETED")
}

func tooLargeFile(t *testing.T, b *hostileBed) {
	before := b.files()
	a := b.sendLarge(t, 100<<20+1)
	a.is(t, "413 payload-too-large", "")
	if !a.Close {
		t.Error("the connection is kept")
	}
	await(t, "cleared away", func() bool { return b.files() == before })
}

func (b *hostileBed) sendLarge(t *testing.T, size int) *hostileAnswer {
	t.Helper()
	whole := multipart(envelopePart(b.form()), filePart("a.bin", ""))
	start, end := whole[:len(whole)-len("\r\n--grans--\r\n")], "\r\n--grans--\r\n"
	request := call("POST", "/v1/submissions", "", b.as("portalen"), b.key(), isMultipart, fmt.Sprintf("Content-Length: %d", len(start)+size+len(end)))
	c := b.dial(t, "127.0.0.1")
	defer c.Close()
	go func() {
		io.WriteString(c, request+start)
		io.Copy(c, io.LimitReader(letters{}, int64(size)))
		io.WriteString(c, end)
	}()
	return b.answer(t, c)
}

// letters is an endless text.
type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}

// goneAtTheEnd: of a form whose sender vanished nothing is left.
func goneAtTheEnd(t *testing.T, b *hostileBed) {
	before := b.files()
	request := b.multi(envelopePart(b.form()), filePart("a.bin", strings.Repeat("a", 2<<20)))
	c := b.dial(t, "127.0.0.1")
	io.WriteString(c, request[:len(request)-20_000])
	c.Close()
	await(t, "cleared away", func() bool { return b.files() == before })
}
