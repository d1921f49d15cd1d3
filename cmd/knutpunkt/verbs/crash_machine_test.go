package verbs

import (
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// What happens to clocks and processes.

// A clock that jumps forward makes things be tried early, and nothing else; one that
// jumps back holds nobody up but who was waiting already, and not for longer than a wait
// ever is.
func TestAClockThatJumps(t *testing.T) {
	const longest = 15 * time.Hour
	for _, jump := range []time.Duration{time.Hour, 365 * 24 * time.Hour, -time.Hour, -365 * 24 * time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			hubNow := s.serve()
			s.desk.answers("kept", http.StatusServiceUnavailable)
			waiting := s.accepted("kept", "form-0001")
			await(t, "waiting", func() bool { return s.isAt(waiting.ID, hub.RetryWait) })
			s.skip(jump)
			s.desk.answers("kept", 0)
			after := s.accepted("asked", "form-0002")
			await(t, "delivered", func() bool { return s.isAt(after.ID, hub.Delivered) })
			await(t, "brought nearer", func() bool {
				due := s.row(waiting.ID, hub.KeyOf(waiting.ID, "kept")).Due
				return due.Before(time.Now().Add(s.offset + longest))
			})
			s.skip(longest)
			await(t, "delivered", func() bool { return s.isAt(waiting.ID, hub.Delivered) })
			again := s.post("kept", "form-0001")
			if again.ID != waiting.ID || !again.Received.Equal(waiting.Received) {
				t.Errorf("the same form is %s of %v, and was %s of %v", again.ID, again.Received, waiting.ID, waiting.Received)
			}
			hubNow.stops(t)
		})
	}
}

// A process that was paused for longer than it may have a row in hand has lost the row,
// and its late success counts all the same.
func TestAPause(t *testing.T) {
	for _, system := range []string{"asked", "forgot"} {
		t.Run(system, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			hubNow := s.serve()
			form, release := s.underWay(system)
			hubNow.Process.Signal(syscall.SIGSTOP)
			s.skip(11 * time.Minute)
			hubNow.Process.Signal(syscall.SIGCONT)
			await(t, "in doubt", func() bool { return !s.isAt(form.ID, hub.Sending) })
			release()
			s.eventually("delivered", func() bool { return s.isAt(form.ID, hub.Delivered) })
			if posts, _, cases := s.desk.total(system); posts != 1 || cases != 1 {
				t.Errorf("%d documents and %d cases of one form", posts, cases)
			}
			hubNow.stops(t)
		})
	}
}

// A clean stop waits for what is under way and leaves no doubt.
func TestACleanStop(t *testing.T) {
	for _, system := range []string{"kept", "asked", "forgot"} {
		t.Run(system, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			hubNow := s.serve()
			form, release := s.underWay(system)
			hubNow.Process.Signal(syscall.SIGTERM)
			await(t, "stopping", func() bool { return s.get("readyz", s.base+1) != http.StatusOK })
			release()
			if code := hubNow.finish(t); code != 0 {
				t.Errorf("exit %d: %s", code, lastLine(&hubNow.errs))
			}
			if !s.isAt(form.ID, hub.Delivered) {
				t.Errorf("it left %v", s.look(form.ID).Deliveries)
			}
		})
	}
}

// Two processes never have one store.
func TestTwoProcessesOnOneStore(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	hubNow := s.serve()
	second := s.start()
	if code := second.finish(t); code != exitFailed || !strings.Contains(second.errs.String(), "already running") {
		t.Errorf("the second one exits %d: %s", code, second.errs.String())
	}
	hubNow.stops(t)
}

// The same form a hundred times at once is one form, and nobody gets a 500.
func TestAHundredTwins(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	hubNow := s.serve()
	ids, statuses := s.manyAtOnce(100, func(int) string { return "form-0001" })
	for status, n := range statuses {
		if status >= 500 && status != http.StatusServiceUnavailable {
			t.Errorf("%d times status %d", n, status)
		}
	}
	if len(ids) != 1 {
		t.Fatalf("%d forms of one", len(ids))
	}
	s.eventually("delivered", func() bool {
		for id := range ids {
			return s.isAt(id, hub.Delivered)
		}
		return false
	})
	if posts, _, cases := s.desk.total("kept"); posts != 1 || cases != 1 {
		t.Errorf("%d documents and %d cases of one form", posts, cases)
	}
	hubNow.stops(t)
}

// A process that may open few files refuses before it falls, and what it accepted it
// delivers.
func TestFewFiles(t *testing.T) {
	t.Parallel()
	_, err := exec.LookPath("prlimit")
	needs(t, "prlimit", err == nil)
	s := newSite(t)
	hubNow := s.serve()
	limit := exec.Command("prlimit", "--pid", fmt.Sprint(hubNow.Process.Pid), "--nofile=64:64")
	if out, err := limit.CombinedOutput(); err != nil {
		t.Fatalf("prlimit: %v: %s", err, out)
	}
	ids, statuses := s.manyAtOnce(200, func(i int) string { return fmt.Sprintf("form-%04d", i) })
	if statuses[http.StatusInternalServerError] > 0 {
		t.Errorf("answers are %v", statuses)
	}
	if len(ids) == 0 || hubNow.isOver() {
		t.Fatalf("answers are %v", statuses)
	}
	s.eventually("delivered", func() bool {
		for id := range ids {
			if !s.isAt(id, hub.Delivered) {
				return false
			}
		}
		return true
	})
	if _, _, cases := s.desk.total("kept"); cases < len(ids) || cases > 200 {
		t.Errorf("%d cases of %d forms", cases, len(ids))
	}
	hubNow.stops(t)
}

// manyAtOnce posts forms at the same time, and gives the ids that were accepted and how
// often each status came.
func (s *site) manyAtOnce(n int, key func(i int) string) (ids map[hub.ID]bool, statuses map[int]int) {
	ids, statuses = map[hub.ID]bool{}, map[int]int{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			a := s.post("kept", key(i))
			mu.Lock()
			defer mu.Unlock()
			statuses[a.status]++
			if a.status == http.StatusAccepted {
				ids[a.ID] = true
			}
		})
	}
	all.Wait()
	return ids, statuses
}
