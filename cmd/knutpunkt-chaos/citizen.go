package main

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A reading is what one citizen has been told of her case, over every connection that she had.
type reading struct {
	ID      string // of the submission that she follows
	Folder  string
	Lines   []line
	Resyncs int
	Drops   int
}

// A line is one status of a stream.
type line struct {
	Seq  uint64    `json:"seq"`
	Step string    `json:"step"`
	At   time.Time `json:"at"`
}

// Citizens follow cases, lose their connections and come back where they were.
type citizens struct {
	platforms *platforms
	plan      *plan

	mu       sync.Mutex
	readings []*reading
	seats    map[string]int
	all      sync.WaitGroup
	stop     context.CancelFunc
	ctx      context.Context
}

func newCitizens(ctx context.Context, p *platforms, plan *plan) *citizens {
	c := &citizens{platforms: p, plan: plan, seats: map[string]int{}}
	c.ctx, c.stop = context.WithCancel(ctx)
	return c
}

// seatsEach is how many follow at a time in one municipality; a client may follow five.
const seatsEach = 3

// choose picks cases to follow among what has been received, until it is stopped.
func (c *citizens) choose() {
	c.all.Go(func() {
		seen := map[string]bool{}
		for c.ctx.Err() == nil {
			for _, p := range c.platforms.ledger.all() {
				if p.What != ok || seen[p.ID] {
					continue
				}
				seen[p.ID] = true
				c.follow(p.ID, p.As)
			}
			pause(c.ctx, 200*time.Millisecond)
		}
	})
}

func (c *citizens) follow(id, folder string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seats[folder] >= seatsEach {
		return
	}
	c.seats[folder]++
	r := &reading{ID: id, Folder: folder}
	c.readings = append(c.readings, r)
	c.all.Go(func() { c.read(r) })
}

// read follows one case. Each connection lasts for a drawn while, or until the hub goes.
func (c *citizens) read(r *reading) {
	for n := 0; c.ctx.Err() == nil; n++ {
		patience := time.Duration(300+3000*c.plan.chance("citizen", r.ID, n)) * time.Millisecond
		ctx, cancel := context.WithTimeout(c.ctx, patience)
		c.connect(ctx, r)
		cancel()
		c.mu.Lock()
		r.Drops++
		c.mu.Unlock()
		pause(c.ctx, 50*time.Millisecond)
	}
}

func (c *citizens) connect(ctx context.Context, r *reading) {
	lines, resync, err := c.stream(ctx, r.Folder, r.ID, r.last(), func(l line) {
		c.mu.Lock()
		r.Lines = append(r.Lines, l)
		c.mu.Unlock()
	})
	if err == nil && resync && lines > 0 {
		c.mu.Lock()
		r.Resyncs++
		c.mu.Unlock()
	}
}

func (r *reading) last() uint64 {
	if len(r.Lines) == 0 {
		return 0
	}
	return r.Lines[len(r.Lines)-1].Seq
}

// stream reads one connection to its end and gives each line to told.
func (c *citizens) stream(ctx context.Context, folder, id string, after uint64, told func(line)) (lines int, resync bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.platforms.door()+"/v1/submissions/"+id+"/events", nil)
	if err != nil {
		return 0, false, err
	}
	req.Header.Set("Authorization", "Bearer "+c.platforms.in.read(folder+"-client"))
	req.Header.Set("Accept", "text/event-stream")
	if after > 0 {
		req.Header.Set("Last-Event-ID", strconv.FormatUint(after, 10))
	}
	resp, err := (&http.Client{}).Do(req)
	if err != nil {
		return 0, false, err
	}
	defer resp.Body.Close()
	var l line
	for text := bufio.NewScanner(resp.Body); text.Scan(); {
		c.platforms.spill.answer(folder, text.Bytes())
		field, value, _ := strings.Cut(text.Text(), ": ")
		switch {
		case field == "id":
			l.Seq, _ = strconv.ParseUint(value, 10, 64)
		case field == "event" && value == "resync":
			resync = true
		case field == "data" && l.Seq > 0:
			json.Unmarshal([]byte(value), &l)
		case field == "" && l.Seq > 0: // the blank line ends a line of the feed; half of one is none
			told(l)
			lines, l = lines+1, line{}
		}
	}
	return lines, resync, nil
}

// whole reads a feed from its beginning, and again while it seems to be shorter than what was told of it.
func (c *citizens) whole(ctx context.Context, r reading) (lines []line) {
	for range 10 {
		limited, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		lines = nil
		c.stream(limited, r.Folder, r.ID, 0, func(l line) { lines = append(lines, l) })
		cancel()
		if len(lines) >= len(r.Lines) {
			break
		}
	}
	return lines
}

// end has everybody hang up, and gives what they have been told.
func (c *citizens) end() (all []reading) {
	c.stop()
	c.all.Wait()
	for _, r := range c.readings {
		copied := *r
		copied.Lines = slices.Clone(r.Lines)
		all = append(all, copied)
	}
	return all
}
