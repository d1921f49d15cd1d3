package verbs

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/sif/sifsim"
)

// Ten forms with a file of 100 MiB each come in at the same time and go on to the diarium
// at the same time, byte for byte, and the hub grows by less than 128 MiB.
func TestTenLargeFilesAtOnce(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("this machine does not tell how large a process is")
	}
	const forms, size, most = 10, 100 << 20, 128 << 20
	dir, base := t.TempDir(), freePorts(t)
	o := demoOptions{dir: dir, port: base}
	if _, err := o.stage(); err != nil {
		t.Fatal(err)
	}
	surroundings := start(t, "simulators", "--dir", dir)
	serve := start(t, "serve", "--config", dir)
	await(t, "ready", func() bool { return answers(fmt.Sprintf("http://127.0.0.1:%d/readyz", base+1), 200) })
	s, err := openSimulators(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.postMusic(t.Context(), 999); err != nil { // so that everything has been in use
		t.Fatal(err)
	}
	await(t, "warm", func() bool { return settled(rows(t, dir)) })
	before, begun := memory(t, serve, "VmRSS"), time.Now()

	ids := make([]string, forms)
	var all sync.WaitGroup
	for n := range forms {
		all.Go(func() { ids[n] = postLarge(t, s, n, recording(size)) })
	}
	if all.Wait(); t.Failed() {
		return
	}
	accepted, took := memory(t, serve, "VmHWM"), time.Since(begun)
	await(t, "delivered", func() bool { listed := rows(t, dir); return len(listed) == forms+1 && settled(listed) })
	delivered := memory(t, serve, "VmHWM")
	t.Logf("%d MiB at first; accepting %d × %d MiB took %s and at most %d MiB more; delivering, after %s, %d MiB",
		before>>20, forms, size>>20, took.Round(time.Millisecond), (accepted-before)>>20,
		time.Since(begun).Round(time.Millisecond), (delivered-before)>>20)
	if delivered-before > most {
		t.Errorf("the process has grown by %d MiB", (delivered-before)>>20)
	}
	surroundings.end(syscall.SIGTERM)
	serve.end(syscall.SIGTERM)

	diarium, err := sifsim.New(sifsim.Options{Dir: filepath.Join(dir, "simulators", "eslov-diarium"), Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer diarium.Close()
	sum := sha256.New()
	io.Copy(sum, recording(size))
	for n, id := range ids {
		if c := diarium.Count(id + "-diarium"); c.Cases != 1 || c.Documents != 1 || c.Files[hex.EncodeToString(sum.Sum(nil))] != 1 {
			t.Errorf("of form %d the diarium has %+v, and not its file once", n, c)
		}
	}
}

// A file is on disk under its own name before the row that tells of it is, and that is
// before the 202: in this order, as it can be seen from outside.
func TestAFileIsDurableBeforeItsForm(t *testing.T) {
	needsStrace(t)
	dir, base := t.TempDir(), freePorts(t)
	o := demoOptions{dir: dir, port: base}
	if _, err := o.stage(); err != nil {
		t.Fatal(err)
	}
	start(t, "simulators", "--dir", dir)
	serve := start(t, "serve", "--config", dir)
	await(t, "ready", func() bool { return answers(fmt.Sprintf("http://127.0.0.1:%d/readyz", base+1), 200) })
	calls := filepath.Join(dir, "calls")
	startCommand(t, exec.Command("strace", "-f", "-qq", "-y", "-s", "16", "-o", calls,
		"-e", "trace=fsync,fdatasync,rename,renameat,renameat2,write", "-p", strconv.Itoa(serve.Process.Pid)))
	await(t, "traced", func() bool { return isTraced(serve.Process.Pid) })
	s, err := openSimulators(dir)
	if err != nil {
		t.Fatal(err)
	}
	postLarge(t, s, 1, recording(1<<20))
	const answered = `"HTTP/1.1 202 Acc`
	await(t, "seen", func() bool { return strings.Contains(asTheyEnded(read(calls)), answered) })
	seen := asTheyEnded(read(calls))
	for _, step := range []struct{ what, call string }{
		{"the file's bytes are forced to disk", `fsync\(\d+<[^>]*\.files/[^>/]+\.part>\)`},
		{"it gets its name", `rename(at2?)?\(.*\.part"`},
		{"the name is forced to disk", `fsync\(\d+<[^>]*\.files>\)`},
		{"the row is forced to disk", `f(data)?sync\(\d+<[^>]*-wal>\)`},
		{"202", answered},
	} {
		place := regexp.MustCompile(step.call).FindStringIndex(seen)
		if place == nil {
			t.Fatalf("in its turn nobody sees that %s", step.what)
		}
		seen = seen[place[1]:]
	}
}

// asTheyEnded gives each call of strace's log whole and where it ended: one during which another
// thread called something is in two pieces there.
func asTheyEnded(trace string) string {
	var whole strings.Builder
	begun := map[string]string{} // by thread
	for line := range strings.Lines(trace) {
		thread, _, _ := strings.Cut(line, " ")
		if first, cut := strings.CutSuffix(line, " <unfinished ...>\n"); cut {
			begun[thread] = first
			continue
		}
		if _, rest, ended := strings.Cut(line, " resumed>"); ended {
			line = begun[thread] + rest
		}
		whole.WriteString(line)
	}
	return whole.String()
}

// postLarge posts a form with one file and gives its id.
func postLarge(t *testing.T, s *simulators, n int, file io.Reader) (id string) {
	envelope, _ := json.Marshal(map[string]any{
		"municipality": "1285", "service": "kulturskola",
		"source":    map[string]any{"system": "hemsidan", "id": fmt.Sprintf("stor-%d", n), "version": "1"},
		"applicant": map[string]any{"personalIdentityNumber": musicians[0].applicant},
		"answers": map[string]any{
			"barn": map[string]any{"personnummer": musicians[0].child}, "instrument": []string{"orgel"}, "årskurs": 4,
		},
	})
	body := io.MultiReader(
		strings.NewReader("--snitt\r\nContent-Disposition: form-data; name=\"submission\"\r\n\r\n"+string(envelope)+
			"\r\n--snitt\r\nContent-Disposition: form-data; name=\"file\"; filename=\"inspelning.bin\"\r\n\r\n"),
		file, strings.NewReader("\r\n--snitt--\r\n"),
	)
	req, err := http.NewRequest(http.MethodPost, "http://"+s.settings.Listen+"/v1/submissions", body)
	if err != nil {
		t.Error(err)
		return ""
	}
	req.Header.Set("Content-Type", "multipart/form-data; boundary=snitt")
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(read(filepath.Join(s.dir, "secrets", "hemsidan-client"))))
	req.Header.Set("Idempotency-Key", "stor-anmalan-"+strconv.Itoa(n))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Errorf("form %d: %v", n, err)
		return ""
	}
	defer resp.Body.Close()
	var receipt struct{ ID string }
	answer, _ := io.ReadAll(resp.Body)
	if err := json.Unmarshal(answer, &receipt); err != nil || resp.StatusCode != http.StatusAccepted {
		t.Errorf("form %d: HTTP status %d: %s", n, resp.StatusCode, answer)
	}
	return receipt.ID
}

// recording is a file that is made while it is read.
func recording(size int64) io.Reader {
	return io.LimitReader(&endless{text: bytes.Repeat([]byte("inspelning "), 5000)}, size)
}

// endless says the same again and again.
type endless struct {
	text []byte
	at   int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.text[e.at:])
	e.at = (e.at + n) % len(e.text)
	return n, nil
}

// memory gives a line of what the machine says of a process, in bytes.
func memory(t *testing.T, p *process, line string) int64 {
	t.Helper()
	_, rest, _ := strings.Cut(read(fmt.Sprintf("/proc/%d/status", p.Process.Pid)), line+":")
	number, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	kib, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		t.Fatalf("the machine does not tell %s", line)
	}
	return kib << 10
}
