package verbs

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// Disks that are full and disks that fail. What it takes to make them so is not on every
// machine; where everything must be tested (CI is set) what can be installed must be. What
// the machine itself forbids, such as to mount or to trace, it forbids in CI too.

// needs ends the test where something is not to be had on this machine: loudly, and as
// a failure where it must be.
func needs(t *testing.T, what string, there bool) {
	t.Helper()
	switch {
	case there:
	case os.Getenv("CI") != "":
		t.Fatalf("NOT TESTED: it takes %s", what)
	default:
		t.Skipf("NOT TESTED: it takes %s", what)
	}
}

func needsStrace(t *testing.T) {
	t.Helper()
	_, err := exec.LookPath("strace")
	needs(t, "strace", err == nil)
	if out, err := exec.Command("strace", "-qq", "-o", os.DevNull, "true").CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED: this machine lets nobody trace: %s", out)
	}
}

// traced starts the hub under strace, which does something to it at a call that touches
// a file.
func (s *site) traced(file, inject string) *process {
	s.Helper()
	needsStrace(s.T)
	bin, err := chaosBinary()
	if err != nil {
		s.Fatal(err)
	}
	call, _, _ := strings.Cut(inject, ":")
	cmd := exec.Command("strace", "-f", "-qq", "-o", os.DevNull, "-P", s.path(file), "-e", "trace="+call, "-e", "inject="+inject,
		bin, "serve", "--config", s.dir)
	return startCommand(s.T, cmd)
}

// trace has strace do something to a hub that runs.
func (s *site) trace(p *process, file, inject string) {
	s.Helper()
	call, _, _ := strings.Cut(inject, ":")
	s.attach(p, "-o", os.DevNull, "-P", s.path(file), "-e", "trace="+call, "-e", "inject="+inject)
}

// attach has strace look at a hub that runs.
func (s *site) attach(p *process, args ...string) {
	s.Helper()
	needsStrace(s.T)
	tracer := startCommand(s.T, exec.Command("strace", append(args, "-f", "-qq", "-p", fmt.Sprint(p.Process.Pid))...))
	await(s.T, "traced", func() bool { return tracer.isOver() || isTraced(p.Process.Pid) })
	if tracer.isOver() && tracer.errs.String() != "" { // else the hub is gone already
		s.Skipf("NOT TESTED: this machine lets nobody trace: %s", tracer.errs.String())
	}
}

func (s *site) path(file string) string { return filepath.Join(s.dir, filepath.FromSlash(file)) }

// isTraced reports whether every thread of a process is.
func isTraced(pid int) bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	for _, thread := range threads {
		if strings.Contains(read(thread), "TracerPid:\t0\n") {
			return false
		}
	}
	return len(threads) > 0
}

// A disk that fails is believed in nothing more: the hub ends with status 74, and what
// was answered with 202 is there at the next start.
func TestADiskThatFails(t *testing.T) {
	for _, call := range []string{"fsync", "pwrite64"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			hubNow := s.serve()
			before := s.accepted("kept", "form-0001")
			s.eventually("delivered", func() bool { return s.isAt(before.ID, hub.Delivered) })
			s.trace(hubNow, "data/knutpunkt.db-wal", call+":error=EIO:when=1+")
			first := s.post("kept", "form-0002")
			if code := hubNow.finish(t); code != exitStorage {
				t.Errorf("exit %d, want %d: %s", code, exitStorage, lastLine(&hubNow.errs))
			}
			if first.status == http.StatusAccepted {
				t.Error("202 on a disk that fails")
			}
			hubNow = s.serve()
			after := s.accepted("kept", "form-0002")
			s.eventually("delivered", func() bool { return s.isAt(before.ID, hub.Delivered) && s.isAt(after.ID, hub.Delivered) })
			if _, _, cases := s.desk.total("kept"); cases != 2 {
				t.Errorf("%d cases of two forms", cases)
			}
			hubNow.stops(t)
		})
	}
}

// No 202 leaves before an fsync that began after its own data was written, as it can be
// seen from outside: forms that come one by one have one each, at least.
func TestNo202OutrunsItsFsync(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	hubNow := s.serve()
	calls := s.path("calls")
	s.attach(hubNow, "-o", calls, "-e", "trace=fsync,fdatasync")
	const forms = 20
	synced := func() int { return strings.Count(read(calls), "sync(") }
	for i := range forms {
		before := synced()
		if a := s.post("nowhere", fmt.Sprintf("form-%04d", i)); a.status != http.StatusAccepted {
			t.Fatalf("status %d", a.status)
		}
		if synced() == before {
			t.Errorf("form %d was answered without an fsync", i)
		}
	}
	hubNow.stops(t)
}

// smallDisk mounts a disk of so many MiB in memory.
func smallDisk(t *testing.T, mib int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", mib)); err != nil {
		t.Skipf("NOT TESTED: this machine lets nobody mount a small disk: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// fill leaves so many KiB of a disk.
func fill(t *testing.T, dir string, leave int64) (empty func()) {
	t.Helper()
	var about syscall.Statfs_t
	if err := syscall.Statfs(dir, &about); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "filling")
	if err := os.WriteFile(name, bytes.Repeat([]byte{1}, int(int64(about.Bavail)*about.Bsize-leave<<10)), 0o600); err != nil {
		t.Fatal(err)
	}
	return sync.OnceFunc(func() { os.Remove(name) })
}

// Below the watermark nothing is accepted and everything else goes on; above it again,
// by a good deal, forms are accepted.
func TestADiskThatIsNearlyFull(t *testing.T) {
	t.Parallel()
	s := newSite(t, smallDisk(t, 120))
	hubNow := s.serve("KNUTPUNKT_LOW_WATER=10000000")
	release := s.desk.holds()
	defer release()
	before := s.accepted("kept", "form-0001")
	empty := fill(t, s.dir, 5<<10)
	full := s.post("kept", "form-0002")
	if full.status != http.StatusInsufficientStorage || full.header.Get("Retry-After") != "60" {
		t.Errorf("status %d, Retry-After %q, want 507 and 60", full.status, full.header.Get("Retry-After"))
	}
	if status := s.get("readyz", s.base+1); status != http.StatusServiceUnavailable {
		t.Errorf("readyz says %d", status)
	}
	release()
	s.eventually("delivered", func() bool { return s.isAt(before.ID, hub.Delivered) })
	empty()
	after := s.accepted("kept", "form-0002")
	s.eventually("delivered", func() bool { return s.isAt(after.ID, hub.Delivered) })
	hubNow.stops(t)
}

// A disk that is full to the last byte refuses forms, whole, and loses nothing of those
// that it took. What was under way is settled when there is room.
func TestADiskThatIsFull(t *testing.T) {
	t.Parallel()
	s := newSite(t, smallDisk(t, 120))
	hubNow := s.serve("KNUTPUNKT_LOW_WATER=1")
	before, release := s.underWay("kept")
	empty := fill(t, s.dir, 200)
	refused := 0
	for i := range 40 {
		a := s.postText("kept", fmt.Sprintf("form-1%03d", i), strings.Repeat("x", 50_000))
		switch a.status {
		case http.StatusAccepted, 0: // 0: it was refused while the form was being sent
		case http.StatusInsufficientStorage:
			refused++
		default:
			t.Fatalf("status %d on a full disk: %s", a.status, lastLine(&hubNow.errs))
		}
	}
	if refused == 0 {
		t.Fatal("the disk was never full: nothing was tested")
	}
	release()
	time.AfterFunc(2*time.Second, empty)
	s.eventually("delivered", func() bool { return s.isAt(before.ID, hub.Delivered) })
	if posts, cases := s.desk.count("kept", hub.KeyOf(before.ID, "kept")); posts != 1 || cases != 1 {
		t.Errorf("%d documents and %d cases of the form that was under way", posts, cases)
	}
	for i := range 40 {
		key := fmt.Sprintf("form-1%03d", i)
		await(t, "accepted", func() bool {
			return s.postText("kept", key, strings.Repeat("x", 50_000)).status == http.StatusAccepted
		})
	}
	hubNow.stops(t)
}
