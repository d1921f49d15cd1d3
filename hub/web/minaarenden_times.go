package web

import (
	"context"
	"sync"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// What is promised is shown beside what is measured on the municipality's own cases.
const (
	measuredOver = 365 * 24 * time.Hour // how far back
	measuredOf   = 10                   // and of how many cases at least: fewer say little, and might tell of one of them
	timesLast    = 10 * time.Minute     // how long what was measured holds
)

// timesOf gives what is promised, and what is measured, of the Steps that a case goes
// through. Where nothing can be measured now, the promise is told all the same.
func (s *Server) timesOf(ctx context.Context, c hub.Case, t tongue) []timesLine {
	spreads, err := s.times.of(ctx, s.store, c.Municipality, c.Service, s.Hub.Clock())
	if err != nil {
		s.Hub.Log.Error("handling times are not told", "municipality", c.Municipality, "error", err)
	}
	var promised map[hub.Step]hub.Term
	if r := s.Hub.Bundle().Route(c.Municipality, c.Source, c.Service); r != nil {
		promised = r.Expect
	}
	var lines []timesLine
	for _, step := range []hub.Step{hub.Registrerat, hub.UnderHandlaggning, hub.Beslutat} {
		term, isPromised := promised[step]
		spread := spreads[step]
		if !isPromised && spread.N < measuredOf {
			continue
		}
		line := timesLine{Step: t.of(stepTexts[step]), Promised: t.of(texts["no-promise"]), Measured: t.of(texts["too-few"])}
		if isPromised {
			line.Promised = t.term(term)
		}
		if spread.N >= measuredOf {
			line.Measured = t.put("spread-of", t.of(manyReachedTexts[step]), t.within(spread.Median), t.within(spread.Ninety))
		}
		lines = append(lines, line)
	}
	return lines
}

// times remember what has been measured. A service is measured by one at a time.
type times struct {
	mu  sync.Mutex
	all map[measuredService]*measured
}

type measuredService struct {
	municipality hub.Municipality
	service      string
}

type measured struct {
	mu      sync.Mutex
	at      time.Time
	spreads map[hub.Step]hub.Spread
}

func (ts *times) of(ctx context.Context, from hub.Store, m hub.Municipality, service string, now time.Time) (map[hub.Step]hub.Spread, error) {
	one := ts.one(measuredService{m, service})
	one.mu.Lock()
	defer one.mu.Unlock()
	if !one.at.IsZero() && now.Sub(one.at) < timesLast {
		return one.spreads, nil
	}
	spreads, err := from.Handling(ctx, m, service, now.Add(-measuredOver))
	if err != nil {
		return nil, err
	}
	one.at, one.spreads = now, spreads
	return spreads, nil
}

func (ts *times) one(of measuredService) *measured {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.all == nil {
		ts.all = map[measuredService]*measured{}
	}
	if ts.all[of] == nil {
		ts.all[of] = &measured{}
	}
	return ts.all[of]
}
