package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"sync"
	"time"
)

// A post is a line of the platforms' ledger: that a form is about to be sent, or what came of it.
type post struct {
	At       time.Time     `json:"at"`
	What     outcome       `json:"what"`
	Form     string        `json:"form"`
	Key      string        `json:"key"`
	As       string        `json:"as"`             // whose credential was shown
	Salt     int           `json:"salt,omitempty"` // not 0: other content
	N        int           `json:"n"`              // tells attempts apart
	Status   int           `json:"status,omitempty"`
	Problem  string        `json:"problem,omitempty"`
	ID       string        `json:"id,omitempty"`
	Case     string        `json:"case,omitempty"`
	Received time.Time     `json:"received,omitzero"`
	Replayed bool          `json:"replayed,omitempty"`
	Took     time.Duration `json:"took,omitempty"`
}

// An outcome is what is known about an attempt. That no answer came says nothing.
type outcome string

const (
	intent    outcome = "intent"
	ok        outcome = "ok"
	fail      outcome = "fail" // refused: it is not there
	info      outcome = "info" // it may be there
	withdrawn outcome = "withdrawn"
)

// Platforms send forms in, well-behaved and otherwise.
type platforms struct {
	in     *installation
	ledger *ledger[post]
	hook   *hook
	client *http.Client
	spill  *spill

	mu    sync.Mutex
	n     int
	doors int // how often one of the replicas was chosen
}

// door gives the address of a replica, another one each time: so who gets no answer of one
// turns to the next, as behind a load balancer.
func (p *platforms) door() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doors++
	return "http://" + p.in.at[p.doors%len(p.in.at)].listen
}

func newPlatforms(in *installation, l *ledger[post], h *hook, s *spill) *platforms {
	return &platforms{in: in, ledger: l, hook: h, spill: s, client: &http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true},
	}}
}

// send sends every form of the plan, each case by itself, and returns when all have been sent.
func (p *platforms) send(ctx context.Context, plan *plan) {
	var all sync.WaitGroup
	for _, c := range plan.cases {
		all.Go(func() {
			pause(ctx, c.At)
			for _, f := range c.Forms {
				pause(ctx, f.Later)
				if ctx.Err() == nil {
					p.sendIn(ctx, f)
				}
			}
		})
	}
	all.Wait()
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// sendIn sends one form in the manner of its platform.
func (p *platforms) sendIn(ctx context.Context, f *form) {
	switch f.Manner {
	case noRetry:
		p.once(ctx, f, f.Key, f.Municipality, 10*time.Second)
	case newKey:
		p.until(ctx, f, f.Key)
		p.until(ctx, f, f.Key+"-again")
	case twins:
		var both sync.WaitGroup
		for range 4 {
			both.Go(func() { p.until(ctx, f, f.Key) })
		}
		both.Wait()
	case changes:
		p.until(ctx, f, f.Key)
		p.until(ctx, f.salted(), f.Key)
	case strangers:
		p.untilAs(ctx, f, f.Key, p.in.plan.other(f.Municipality))
		p.until(ctx, f, f.Key)
	case impatient:
		for _, patience := range []time.Duration{1, 4, 12} {
			p.once(ctx, f, f.Key, f.Municipality, patience*time.Millisecond)
		}
		p.until(ctx, f, f.Key)
	case regretful:
		if got := p.until(ctx, f, f.Key); got.What == ok {
			p.withdraw(ctx, f, got.ID)
		}
	default:
		p.until(ctx, f, f.Key)
	}
}

// salted gives the form with other content.
func (f *form) salted() *form {
	other := *f
	other.salt++
	return &other
}

// other gives a municipality that is not m.
func (p *plan) other(m *municipality) *municipality {
	for i, o := range p.municipalities {
		if o == m {
			return p.municipalities[(i+1)%len(p.municipalities)]
		}
	}
	return nil
}

// until sends a form under one key until somebody has answered for it.
func (p *platforms) until(ctx context.Context, f *form, key string) post {
	return p.untilAs(ctx, f, key, f.Municipality)
}

// untilAs is until with the credential of any municipality.
func (p *platforms) untilAs(ctx context.Context, f *form, key string, as *municipality) (got post) {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		got = p.once(ctx, f, key, as, 10*time.Second)
		if got.What != info || ctx.Err() != nil {
			return got
		}
		pause(ctx, wait)
	}
}

// once sends a form once: the intent is on disk before the first byte leaves, and what came of it when
// the answer has been read.
func (p *platforms) once(ctx context.Context, f *form, key string, as *municipality, patience time.Duration) post {
	p.mu.Lock()
	p.n++
	entry := post{At: time.Now(), What: intent, Form: f.name(), Key: key, As: as.Folder, Salt: f.salt, N: p.n}
	p.mu.Unlock()
	if p.ledger.add(entry) != nil {
		return entry
	}
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	began := time.Now()
	got := entry
	got.What = info
	resp, err := p.client.Do(p.request(limited, f, key, as))
	if err == nil {
		got = p.readAnswer(resp, got)
	}
	got.At, got.Took = time.Now(), time.Since(began)
	p.ledger.add(got)
	if got.What == ok {
		p.hook.reached(after202)
	}
	return got
}

func (p *platforms) request(ctx context.Context, f *form, key string, as *municipality) *http.Request {
	body, media := f.body()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.door()+"/v1/submissions", &watched{body, p.hook})
	if err != nil {
		panic(err) // the address is ours
	}
	req.ContentLength = int64(body.Len())
	req.Header.Set("Content-Type", media)
	req.Header.Set("Authorization", "Bearer "+p.in.secretOf(as))
	req.Header.Set("Idempotency-Key", key)
	return req
}

// watched is a body whose end is a moment.
type watched struct {
	content *bytes.Reader
	hook    *hook
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.content.Read(b)
	if w.content.Len() == 0 {
		go w.hook.reached(duringPost) // the last bytes leave meanwhile
	}
	return n, err
}

// body is the form as it is sent: alone, or with its files after it.
func (f *form) body() (body *bytes.Reader, media string) {
	if len(f.Files) == 0 {
		return bytes.NewReader(f.envelope()), "application/json"
	}
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	part := func(disposition, media string, content []byte) {
		to, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {disposition}, "Content-Type": {media}})
		if err == nil {
			to.Write(content) // to memory
		}
	}
	part(`form-data; name="submission"`, "application/json", f.envelope())
	for _, file := range f.Files {
		part(fmt.Sprintf(`form-data; name="file"; filename="%s"`, file.Name), file.Type, file.bytes())
	}
	w.Close()
	return bytes.NewReader(out.Bytes()), w.FormDataContentType()
}

// readAnswer reads what the hub said. 5xx, 429 and a 409 for a form that is being received say nothing.
func (p *platforms) readAnswer(resp *http.Response, got post) post {
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return got
	}
	p.spill.answer(got.As, text)
	got.Status = resp.StatusCode
	var said struct {
		ID, Case, Type string
		Received       time.Time
	}
	json.Unmarshal(text, &said)
	got.Problem = said.Type
	switch {
	case resp.StatusCode == http.StatusAccepted:
		got.What, got.ID, got.Case, got.Received = ok, said.ID, said.Case, said.Received
		got.Replayed = resp.Header.Get("Idempotent-Replayed") == "true"
	case resp.StatusCode < 500 && resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusConflict:
		got.What = fail
	}
	return got
}

// withdraw takes a form back, until the hub has said yes or no.
func (p *platforms) withdraw(ctx context.Context, f *form, id string) {
	for ctx.Err() == nil {
		status, _ := p.call(ctx, http.MethodDelete, "/v1/submissions/"+id, f.Municipality)
		switch status {
		case http.StatusNoContent:
			p.ledger.add(post{At: time.Now(), What: withdrawn, Form: f.name(), Key: f.Key, As: f.Municipality.Folder, ID: id, Status: status})
			return
		case http.StatusConflict:
			return
		}
		pause(ctx, 300*time.Millisecond)
	}
}

// call makes another call of the API; status 0 when no answer came.
func (p *platforms) call(ctx context.Context, method, path string, as *municipality) (status int, answer []byte) {
	req, err := http.NewRequestWithContext(ctx, method, p.door()+path, nil)
	if err != nil {
		panic(err) // the address is ours
	}
	req.Header.Set("Authorization", "Bearer "+p.in.secretOf(as))
	resp, err := p.client.Do(req)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil
	}
	p.spill.answer(as.Folder, answer)
	return resp.StatusCode, answer
}
