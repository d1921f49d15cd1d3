package oep_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/oep"
	"github.com/knutpunkt/knutpunkt/connectors/oep/oepsim"
	"github.com/knutpunkt/knutpunkt/hub"
)

// TestFetchWhatAFormRefersTo reads both simulated forms and fetches all that they
// only refer to.
func TestFetchWhatAFormRefersTo(t *testing.T) {
	_, url, forms := platform(t)
	system := open(t, oep.Config{URL: url + "/"})
	for _, f := range forms {
		s, err := system.Source.Read(t.Context(), hub.Incoming{Body: bytes.NewReader(f.Body)}, &blobs{})
		if err != nil {
			t.Fatal(err)
		}
		fetched := 0
		for _, a := range s.Attachments {
			if a.Fetch.IsZero() {
				continue
			}
			var got bytes.Buffer
			if err := system.Fetcher.Fetch(t.Context(), a.Fetch, &got); err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(got.String(), "%PDF-") || !a.Print && int64(got.Len()) != a.Size {
				t.Errorf("family %s: %d bytes came of a file of %d", f.Kind, got.Len(), a.Size)
			}
			fetched++
		}
		if fetched != 2 {
			t.Errorf("family %s refers to %d files and not to one and the print", f.Kind, fetched)
		}
	}
}

// TestFetchWhatGoesWrong tells what is gone for ever from what comes back.
func TestFetchWhatGoesWrong(t *testing.T) {
	sim, url, forms := platform(t)
	system := open(t, oep.Config{URL: url})
	s, err := system.Source.Read(t.Context(), hub.Incoming{Body: bytes.NewReader(forms[0].Body)}, &blobs{})
	if err != nil {
		t.Fatal(err)
	}
	file, print := s.Attachments[1].Fetch, s.Attachments[2].Fetch
	unknown := file
	unknown.Instance = "1"
	for _, c := range []struct {
		name, why string
		fault     oepsim.Fault
		ref       hub.Fetch
		gone      bool
		answer    hub.Answer
		wait      time.Duration
	}{
		{"file gone", "it was removed at the platform", oepsim.FileGone, file, true, hub.DontKnow, 0},
		{"unknown instance", "it was removed at the platform", "", unknown, true, hub.DontKnow, 0},
		{"refers to nothing", "no platform can follow it", "", hub.Fetch{Kind: "file", Instance: "1", Question: "2"}, true, hub.DontKnow, 0},
		{"hostile reference", "only numbers go into an address", "", hub.Fetch{Kind: "file", Instance: "1/../2", Question: "2", File: "3"}, true, hub.DontKnow, 0},
		{"unknown kind", "no platform can follow it", "", hub.Fetch{Kind: "other", Instance: "1"}, true, hub.DontKnow, 0},
		{"busy", "it says when to come back", oepsim.Busy, file, false, hub.NotNow, 7 * time.Second},
		{"login page", "a page is no file", oepsim.LoginPage, file, false, hub.DontKnow, 0},
		{"print is a page", "a page is no PDF", oepsim.PrintBroken, print, false, hub.DontKnow, 0},
		{"cut short", "half a file is none", oepsim.CutShort, file, false, hub.DontKnow, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			sim.Fail(c.fault)
			defer sim.Heal()
			err := system.Fetcher.Fetch(t.Context(), c.ref, io.Discard)
			answer, wait, _ := hub.AnswerOf(hub.Receipt{}, err)
			if err == nil || errors.Is(err, hub.ErrGone) != c.gone || answer != c.answer || wait != c.wait {
				t.Errorf("the error is %v (%s, %s): %s", err, answer, wait, c.why)
			}
		})
	}
}

// TestFetchOtherBytes: what comes is written as it comes; that it is not of the
// announced size is for the hub to see.
func TestFetchOtherBytes(t *testing.T) {
	sim, url, forms := platform(t)
	system := open(t, oep.Config{URL: url})
	s, err := system.Source.Read(t.Context(), hub.Incoming{Body: bytes.NewReader(forms[1].Body)}, &blobs{})
	if err != nil {
		t.Fatal(err)
	}
	sim.Fail(oepsim.OtherBytes)
	var got bytes.Buffer
	a := s.Attachments[1]
	if err := system.Fetcher.Fetch(t.Context(), a.Fetch, &got); err != nil || int64(got.Len()) == a.Size {
		t.Errorf("%d bytes came of %d: %v", got.Len(), a.Size, err)
	}
}

func TestFetchAnEmptyFile(t *testing.T) {
	named := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if named {
			w.Header().Set("Content-Disposition", `attachment; filename="tom.txt"`)
		}
	}))
	defer server.Close()
	fetcher := open(t, oep.Config{URL: server.URL}).Fetcher
	ref := hub.Fetch{Kind: "file", Instance: "1", Question: "2", File: "3"}
	if err := fetcher.Fetch(t.Context(), ref, io.Discard); err == nil {
		t.Error("an empty answer that does not say it is a file is none")
	}
	named = true
	if err := fetcher.Fetch(t.Context(), ref, io.Discard); err != nil {
		t.Errorf("a citizen may attach an empty file: %v", err)
	}
}

// TestNobodyThere: what the door out says of a request that never left is handed on, without the address.
func TestNobodyThere(t *testing.T) {
	door := roundTrip(func(*http.Request) (*http.Response, error) {
		return nil, hub.Unavailable(errors.New("nobody listens"), hub.Down)
	})
	env := hub.Env{ID: "karlskrona.oep", HTTP: &http.Client{Transport: door}, Clock: clock}
	system, err := oep.New.Open(t.Context(), env, func(into any) error {
		*into.(*oep.Config) = oep.Config{URL: "http://127.0.0.1:8711", Statuses: names}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	ref := hub.Fetch{Kind: "print", Instance: "1"}
	for what, err := range map[string]error{
		"fetch": system.Fetcher.Fetch(t.Context(), ref, io.Discard),
		"tell":  system.Teller.Tell(t.Context(), hub.Telling{Ref: hub.Ref{ID: "1"}, Status: hub.Status{Step: hub.Beslutat}}),
	} {
		answer, _, cause := hub.AnswerOf(hub.Receipt{}, err)
		if answer != hub.NotNow || cause != hub.Down || strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%s: %v is %s, %s", what, err, answer, cause)
		}
	}
}

// TestHanging: a platform that does not answer is left when the caller's time is up,
// at once.
func TestHanging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		defer here.Close()
		go io.Copy(io.Discard, there)
		client := &http.Client{Transport: &http.Transport{
			DialContext: func(context.Context, string, string) (net.Conn, error) { return here, nil },
		}}
		defer client.CloseIdleConnections()
		system, err := oep.New.Open(t.Context(), hub.Env{ID: "karlskrona.oep", HTTP: client, Clock: clock}, func(into any) error {
			*into.(*oep.Config) = oep.Config{URL: "http://platform.example", Statuses: names}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		err = system.Teller.Tell(ctx, hub.Telling{Ref: hub.Ref{ID: "1"}, Status: hub.Status{Step: hub.Beslutat}})
		answer, _, _ := hub.AnswerOf(hub.Receipt{}, err)
		if answer != hub.DontKnow || time.Since(began) != 3*time.Second {
			t.Errorf("after %s: %v is %s", time.Since(began), err, answer)
		}
		there.Close()
	})
}
