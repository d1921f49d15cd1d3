package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/sif/sifsim"
)

// Evidence is all that is known when everything has come to rest: what everybody's ledgers say, and
// what the hub says. The checks read nothing else.
type evidence struct {
	plan     *plan
	posts    []post
	calls    []call                    // of the business systems, in order for each system
	diaria   map[string][]sifsim.Entry // by folder
	files    map[string][]map[int]string
	highest  map[string]int // rank of the furthest word told, by system, folder and the system's id of the case
	blows    []blow
	spells   []spell
	struck   map[moment]int
	register int // look-ups that were answered
	faults   int // of the register and the diaria
	sunk     int // calls that came to where redirects lead
	readings []reading
	feeds    map[string][]line // whole, by the submission that was followed

	shown    map[string]submission // what the API says, by id
	listed   map[string]row        // what the command line says, by id
	patient  map[string]bool       // deliveries that have failed so often that their next try is minutes away
	walls    []string              // what somebody got of another municipality
	metrics  map[string]float64
	spilled  []string
	heard    int // answers looked through
	searched int // files looked through

	postingEnded time.Time
	mended       time.Time
	rested       time.Time // zero: it did not come to rest
	again        []post    // the same and other content under keys used before, after everything
	slowestSync  time.Duration
	before       usage    // of a hub just started
	after        usage    // of the hub that has been through it
	failures     []string // of the harness or the hub's process

	replicas  int
	takeovers []takeover // of what replicas that were killed had in hand
	away      []absence  // of the engines
}

// A submission is what the API says of one.
type submission struct {
	ID, Case, Municipality, Service, Step, Ref, State string
	Received                                          time.Time
	Deliveries                                        []struct{ System, State, Receipt string }
}

// A row is what the command line says of one form.
type row struct {
	Municipality, Service, Step string
	State, Reason               string
	Deliveries                  map[string]standing // by leg
}

// A standing is the state of a delivery, and its reason or number.
type standing struct{ State, Detail string }

// collect reads everything, once nothing moves.
func (s *stage) collect(ctx context.Context, e *evidence) error {
	e.plan, e.posts, e.replicas = s.plan, s.platforms.ledger.all(), len(s.hubs)
	e.diaria, e.files, e.highest = map[string][]sifsim.Entry{}, map[string][]map[int]string{}, map[string]int{}
	for _, x := range s.systems {
		e.calls = append(e.calls, x.ledger.all()...)
		x.tell(e)
	}
	for folder, d := range s.diaria {
		e.diaria[folder] = d.Ledger()
	}
	for _, r := range s.relays {
		e.spells = append(e.spells, r.history()...)
	}
	e.blows, e.sunk, e.register = s.history(), int(s.sunk.Load()), len(s.register.Ledger())
	e.slowestSync = s.platforms.ledger.slowest
	if err := s.readAPI(ctx, e); err != nil {
		return err
	}
	if err := s.readRows(ctx, e); err != nil {
		return err
	}
	s.tryWalls(ctx, e)
	return s.readMetrics(ctx, e)
}

// tell adds what a system has, beside its ledger.
func (s *system) tell(e *evidence) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.cases {
		key := s.kind + t.folder + t.key
		e.files[key] = append(e.files[key], t.files)
	}
	for folder, n := range s.news {
		for _, c := range n.told {
			about := s.kind + folder + c.CaseID
			e.highest[about] = max(e.highest[about], ranks[c.Word])
		}
	}
}

// readAPI reads every submission that each client may see, in the list and by itself.
func (s *stage) readAPI(ctx context.Context, e *evidence) error {
	e.shown = map[string]submission{}
	for _, m := range s.plan.municipalities {
		for after := ""; ; {
			status, text := s.platforms.call(ctx, http.MethodGet, "/v1/submissions?limit=200"+after, m)
			var page struct {
				Submissions []submission
				Next        string
			}
			if status != http.StatusOK || json.Unmarshal(text, &page) != nil {
				return fmt.Errorf("list submissions of %s: status %d", m.Folder, status)
			}
			for _, x := range page.Submissions {
				e.shown[x.ID] = x
			}
			if page.Next == "" {
				break
			}
			after = "&after=" + page.Next
		}
	}
	for id, listed := range e.shown {
		status, text := s.platforms.call(ctx, http.MethodGet, "/v1/submissions/"+id, s.plan.coded(listed.Municipality))
		var alone submission
		if status != http.StatusOK || json.Unmarshal(text, &alone) != nil || !alone.same(listed) {
			e.failures = append(e.failures, fmt.Sprintf("%s is not the same alone as in the list", id))
		}
	}
	return nil
}

// same reports whether two answers say the same of a form. The step of its case may have gone on.
func (s submission) same(as submission) bool {
	return s.ID == as.ID && s.Case == as.Case && s.State == as.State && s.Received.Equal(as.Received) && slices.Equal(s.Deliveries, as.Deliveries)
}

func (p *plan) coded(code string) *municipality {
	for _, m := range p.municipalities {
		if m.Code == code {
			return m
		}
	}
	return p.municipalities[0]
}

var column = regexp.MustCompile(`\s{2,}`)

// readRows reads what the command line lists beside the hub that runs.
func (s *stage) readRows(ctx context.Context, e *evidence) error {
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, s.binary, "deliveries", "list", "--config", s.in.dir, "--limit", "100000")
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Env = append(os.Environ(), s.hub.env...)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("deliveries list: %w: %s", err, errs.String())
	}
	e.listed, e.patient = readTable(out.String()), map[string]bool{}
	for id, r := range e.listed {
		for leg, d := range r.Deliveries {
			if d.State == "RETRY_WAIT" && s.isPatient(ctx, id+"-"+leg) {
				e.patient[id+"-"+leg] = true
			}
		}
	}
	return nil
}

// manyTries is from how many on the hub's schedule makes a delivery wait for minutes.
const manyTries = 3

var due = regexp.MustCompile(`due (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)`)

// isPatient reports whether a delivery has been tried often, and its next try is yet to come.
func (s *stage) isPatient(ctx context.Context, key string) bool {
	show := exec.CommandContext(ctx, s.binary, "deliveries", "show", key, "--config", s.in.dir)
	show.Env = append(os.Environ(), s.hub.env...)
	out, err := show.Output()
	said := due.FindSubmatch(out)
	if err != nil || said == nil || bytes.Count(out, []byte("attempt ")) < manyTries {
		return false
	}
	at, err := time.ParseInLocation(time.DateTime, string(said[1]), stockholm)
	return err == nil && at.After(time.Now())
}

// readTable reads FORM RECEIVED MUNICIPALITY SERVICE STEP STATE DELIVERIES, columns two blanks apart.
func readTable(text string) map[string]row {
	listed := map[string]row{}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for _, l := range lines[1:] {
		columns := column.Split(strings.TrimSpace(l), -1)
		if len(columns) < 6 {
			continue
		}
		r := row{Municipality: columns[2], Service: columns[3], Step: columns[4], Deliveries: map[string]standing{}}
		r.State, r.Reason, _ = strings.Cut(columns[5], " ")
		if len(columns) > 6 {
			for _, d := range strings.Split(columns[6], ", ") {
				leg, rest, _ := strings.Cut(d, " ")
				state, detail, _ := strings.Cut(rest, " ")
				r.Deliveries[leg] = standing{state, detail}
			}
		}
		listed[columns[0]] = r
	}
	return listed
}

// tryWalls has each municipality ask for, follow and take back what is another's.
func (s *stage) tryWalls(ctx context.Context, e *evidence) {
	for id, x := range e.shown {
		m := s.plan.other(s.plan.coded(x.Municipality))
		for _, try := range []struct{ method, path string }{
			{http.MethodGet, "/v1/submissions/" + id}, {http.MethodGet, "/v1/submissions/" + id + "/events"}, {http.MethodDelete, "/v1/submissions/" + id},
		} {
			if status, _ := s.platforms.call(ctx, try.method, try.path, m); status != http.StatusNotFound {
				e.walls = append(e.walls, fmt.Sprintf("%s of %s by %s: status %d", try.method, id, m.Folder, status))
			}
		}
	}
}

func (s *stage) readMetrics(ctx context.Context, e *evidence) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.hub.at.operator+"/metrics", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("read the metrics: no answer")
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("read the metrics: half an answer")
	}
	s.spill.answer("whoever reads the metrics", text)
	e.metrics = map[string]float64{}
	for l := range strings.SplitSeq(string(text), "\n") {
		if name, value, found := strings.Cut(l, " "); found && !strings.HasPrefix(l, "#") {
			name, _, _ = strings.Cut(name, "{")
			n, _ := strconv.ParseFloat(value, 64)
			e.metrics[name] += n
		}
	}
	return nil
}

// A usage is what a process takes of its machine.
type usage struct {
	Files, Threads int
	Goroutines     float64
	Resident       int64 // KiB
	Left           int   // temporary files
}

// usageOf reads what a process takes; zero where the machine does not tell.
func (s *stage) usageOf(pid int) (u usage) {
	if open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid)); err == nil {
		u.Files = len(open)
	}
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for l := range strings.SplitSeq(string(text), "\n") {
		name, value, _ := strings.Cut(l, ":")
		n, _ := strconv.ParseInt(strings.Fields(value + " 0")[0], 10, 64)
		switch name {
		case "Threads":
			u.Threads = int(n)
		case "VmRSS":
			u.Resident = n
		}
	}
	filepath.WalkDir(s.in.dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && (strings.HasSuffix(path, ".part") || filepath.Dir(path) == filepath.Join(s.in.dir, "tmp")) {
			u.Left++
		}
		return nil
	})
	return u
}
