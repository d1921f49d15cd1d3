package web_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

const boundary = "Content-Type: multipart/form-data; boundary=grans"

// parts joins parts; each is its Content-Disposition after "form-data; ", a line and
// its content.
func parts(ps ...string) string {
	var b strings.Builder
	for _, p := range ps {
		head, content, _ := strings.Cut(p, "\n")
		b.WriteString("--grans\r\nContent-Disposition: form-data; " + head + "\r\n\r\n" + content + "\r\n")
	}
	return b.String() + "--grans--\r\n"
}

func submission(text string) string { return "name=\"submission\"\n" + text }

func file(name, content string) string { return `name="file"; filename="` + name + "\"\n" + content }

func (b *bed) post(t testing.TB, key, body string, headers ...string) answer {
	t.Helper()
	return ask(t, b.public, "POST", "/v1/submissions", body, append([]string{bearer(portalToken), "Idempotency-Key: " + key, boundary}, headers...)...)
}

// files gives the attachments that the hub keeps of a submission.
func (b *bed) files(t testing.TB, a answer) []hub.Attachment {
	t.Helper()
	var r receipt
	decode(t, a, &r)
	s, err := b.store.Submission(t.Context(), hub.AsHub(), hub.ID(r.ID))
	if err != nil {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	return s.Attachments
}

// leftOver counts the files that lie beside the database.
func (b *bed) leftOver(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(b.dir, "knutpunkt.db.files"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return len(entries)
}

func TestFilesStreamBesideTheForm(t *testing.T) {
	b := newBed(t)
	big := strings.Repeat("å", 300_000)
	sum := sha256.Sum256([]byte(big))
	declared := fmt.Sprintf(`attachments=[{"name":"Ritning.pdf","type":"application/pdf","sha256":"%x","size":600000},{}]`, sum)
	a := b.post(t, "with-files-1", parts(submission(form("f1", declared)),
		file("other.bin", big), "name=\"situationsplan\"; filename=\"plan.txt\"\nhej"))
	if a.status != 202 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	got := b.files(t, a)
	if len(got) != 2 || got[0].Name != "Ritning.pdf" || got[0].Type != "application/pdf" || got[0].Blob.SHA256 != sum ||
		got[0].Question != "" || got[1].Name != "plan.txt" || got[1].Question != "situationsplan" || got[1].Size != 3 {
		t.Errorf("kept %d files, not as they came", len(got))
	}
	var r receipt
	decode(t, a, &r)
	s, err := b.store.Submission(t.Context(), hub.AsHub(), hub.ID(r.ID))
	if err != nil {
		t.Fatal(err)
	}
	original, err := b.store.Open(t.Context(), hub.AsHub(), s.ID, s.Original)
	if err != nil {
		t.Fatal(err)
	}
	defer original.Close()
	if text, _ := io.ReadAll(original); string(text) != form("f1", declared) {
		t.Error("the envelope is not kept as it came")
	}
}

func TestHostileParts(t *testing.T) {
	b := newBed(t)
	good := submission(form("p1"))
	hash := hex.EncodeToString(make([]byte, 32))
	many := []string{good}
	for range 1000 {
		many = append(many, file("a", ""))
	}
	for _, test := range []struct {
		name, why, body string
		status          int
		slug            string
		headers         []string
	}{
		{"file over the limit", "70", parts(good, file("a", strings.Repeat("a", 1<<20+1))), 413, "payload-too-large", nil},
		{"files over the limit", "70", parts(good, file("a", strings.Repeat("a", 1<<20)), file("b", strings.Repeat("b", 1<<20))), 413, "payload-too-large", nil},
		{"other hash", "71", parts(submission(form("p1", `attachments=[{"sha256":"`+hash+`"}]`)), file("a", "a")), 422, "attachment-hash-mismatch", nil},
		{"other size", "71", parts(submission(form("p1", `attachments=[{"size":2}]`)), file("a", "a")), 422, "attachment-hash-mismatch", nil},
		{"half a hash", "71", parts(submission(form("p1", `attachments=[{"sha256":"abcd"}]`)), file("a", "a")), 422, "validation-failed", nil},
		{"file missing", "71", parts(submission(form("p1", `attachments=[{},{}]`)), file("a", "a")), 422, "validation-failed", nil},
		{"file not declared", "71", parts(submission(form("p1", `attachments=[{}]`)), file("a", "a"), file("b", "b")), 422, "validation-failed", nil},
		{"1,001 parts", "72", parts(many...), 413, "too-many-parts", nil},
		{"part that is no file", "72", parts(good, "name=\"unknown\"\nx"), 422, "validation-failed", nil},
		{"submission twice", "72", parts(good, "name=\"submission\"; filename=\"x\"\nx"), 422, "validation-failed", nil},
		{"part before submission", "72", parts(file("a", "a"), good), 422, "validation-failed", nil},
		{"no parts", "72", "--grans--\r\n", 422, "validation-failed", nil},
		{"no form-data", "72", strings.Replace(parts(good), "form-data", "attachment", 1), 400, "malformed-request", nil},
		{"submission is XML", "16", strings.Replace(parts(good), "\r\n\r\n", "\r\nContent-Type: text/xml\r\n\r\n", 1), 415, "unsupported-media-type", nil},
		{"submission is bad", "42", parts(submission("{")), 400, "malformed-json", nil},
		{"submission too large", "48", parts(submission(form("p1", `answers={"a":"`+strings.Repeat("a", 2<<20)+`"}`))), 413, "payload-too-large", nil},
		{"cut short", "79", parts(good, file("a", "a"))[:300], 400, "malformed-request", nil},
		{"no end", "80", strings.TrimSuffix(parts(good), "--grans--\r\n"), 400, "malformed-request", nil},
		{"part header of 20 KiB", "80", parts(good, `name="file"; filename="`+strings.Repeat("a", 20<<10)+"\"\nx"), 400, "malformed-request", nil},
		{"no boundary", "80", parts(good), 400, "malformed-request", []string{"Content-Type:", "Content-Type: multipart/form-data"}},
		{"boundary of 80", "80", parts(good), 400, "malformed-request", []string{"Content-Type:", "Content-Type: multipart/form-data; boundary=" + strings.Repeat("b", 80)}},
		{"base64 part", "what comes is taken as it comes", strings.Replace(parts(good), "\r\n\r\n", "\r\nContent-Transfer-Encoding: base64\r\n\r\n", 1), 400, "malformed-request", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := b.post(t, "hostile-part", test.body, test.headers...)
			if p := problemIn(t, a); a.status != test.status || p.Type != "/problems/"+test.slug {
				t.Errorf("%d %s, want %d %s (%s)", a.status, a.body, test.status, test.slug, test.why)
			}
			checkSilent(t, a.body)
		})
	}
	if n := b.count(t); n != 0 {
		t.Errorf("%d submissions were stored", n)
	}
	if n := b.leftOver(t); n != 0 {
		t.Errorf("%d files were left", n)
	}
	checkSilent(t, b.log.String())
}

// TestFileNames: whatever a file is called, it is received, and its name can hurt nobody.
func TestFileNames(t *testing.T) {
	b := newBed(t)
	for i, test := range []struct{ sent, want string }{
		{"../../x", "x"}, {`C:\\x.pdf`, "x.pdf"}, {`C:\x.pdf`, "x.pdf"}, {"a%0D%0ASet-Cookie:", "a%0D%0ASet-Cookie"},
		{strings.Repeat("n", 300) + ".pdf", strings.Repeat("n", 196) + ".pdf"}, {".htaccess", "htaccess"},
		{"rcs\u202efdp.exe", "rcsfdp.exe"}, {"", "bilaga-1"}, {"CON", "_CON"}, {"con.txt", "_con.txt"}, {"...", "bilaga-1"},
		{"Ritning över altan.pdf", "Ritning över altan.pdf"}, {"ritning \xf6ver.pdf", "ritning över.pdf"}, {"<b>.txt", "b.txt"},
	} {
		a := b.post(t, fmt.Sprintf("file-name-%d", i), parts(submission(form(fmt.Sprintf("n%d", i))), file(test.sent, "x")))
		if a.status != 202 {
			t.Errorf("%q is refused: %d %s", test.sent, a.status, a.body)
			continue
		}
		if got := b.files(t, a); len(got) != 1 || got[0].Name != test.want {
			t.Errorf("%q became %q, want %q", test.sent, got[0].Name, test.want)
		}
	}
	a := b.post(t, "file-name-twins", parts(submission(form("n-twins")), file("a", ""), file("a", "1"), file("a", "1")))
	got := b.files(t, a)
	sizes := []int64{got[0].Size, got[1].Size, got[2].Size}
	if !slices.Equal(sizes, []int64{0, 1, 1}) {
		t.Errorf("of an empty file and two alike there are left %v", sizes)
	}
	if strings.Contains(b.log.String(), "htaccess") || strings.Contains(b.log.String(), "Ritning") {
		t.Error("a file's name is in the log")
	}
}

// TestCutConnection: of a form whose sender vanished nothing is left.
func TestCutConnection(t *testing.T) {
	b := newBed(t)
	conn, err := net.Dial("tcp", b.public.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	body := parts(submission(form("cut")), file("a", strings.Repeat("a", 900_000)))
	fmt.Fprintf(conn, "POST /v1/submissions HTTP/1.1\r\nHost: x\r\n%s\r\nIdempotency-Key: cut-off-0001\r\n%s\r\nContent-Length: %d\r\n\r\n%s",
		bearer(portalToken), boundary, len(body), body[:len(body)-9000])
	conn.Close()
	deadline := time.After(10 * time.Second)
	for !strings.Contains(b.log.String(), `"msg":"request"`) {
		select {
		case <-deadline:
			t.Fatal("the call never ended")
		case <-time.After(10 * time.Millisecond):
		}
	}
	if n, files := b.count(t), b.leftOver(t); n != 0 || files != 0 {
		t.Errorf("%d submissions and %d files are left", n, files)
	}
}
