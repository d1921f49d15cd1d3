package oep

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// draftsLive is how long before it is sent in a form may have been begun. The platform
// lists forms by a date that it does not say which one is, so that earlier weeks are asked
// for too, and what was sent in when is read from each form itself.
const draftsLive = 4 * week

const week = 7 * 24 * time.Hour

// Sent gives the numbers of the flow instances of a family that were first submitted
// within a time, whatever their status is now. A draft has not been submitted.
func (p *platform) Sent(ctx context.Context, service string, from, until time.Time) ([]hub.Sent, error) {
	if !isNumber(service) {
		return nil, fmt.Errorf("count: a flow family has a number: %w", hub.ErrCannotTell)
	}
	var sent []hub.Sent
	seen := map[string]bool{}
	for begin := from.Add(-draftsLive); begin.Before(until); begin = begin.Add(week) {
		end := begin.Add(week)
		if end.After(until) {
			end = until
		}
		instances, err := p.instances(ctx, service, begin, end)
		if err != nil {
			return nil, fmt.Errorf("count: %w", err)
		}
		for _, i := range instances {
			if !seen[i.ID] && !i.At.Before(from) && i.At.Before(until) {
				seen[i.ID] = true
				sent = append(sent, i)
			}
		}
	}
	return sent, nil
}

// instances asks for a family's list of some days, both of which are included.
func (p *platform) instances(ctx context.Context, family string, from, until time.Time) ([]hub.Sent, error) {
	day := func(t time.Time) string { return t.In(hub.Stockholm).Format(time.DateOnly) }
	query := url.Values{"fromDate": {day(from)}, "toDate": {day(until.Add(-1))}}
	address := p.conf.URL + "/api/instanceapi/getinstances/family/" + family + "?" + query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, errors.New("the address cannot be used")
	}
	resp, err := p.do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if err := hub.ByStatus(resp, p.Clock()); err != nil {
		return nil, err
	}
	list, err := document.ReadXML(resp.Body, document.Limits{Bytes: largestList, Elements: largestList / 32})
	var syntax *document.SyntaxError
	switch {
	case errors.As(err, &syntax) && syntax.Kind == document.TooLarge:
		return nil, errors.New("the platform's list is larger than a list may be")
	case err != nil || list.Local() != "FlowInstances":
		return nil, hub.Strange(errors.New("what came is no list of flow instances"))
	}
	return submitted(list)
}

// largestList is many times what a week has: an instance takes about a kilobyte.
const largestList = 64 << 20

// submitted reads the instances that have been submitted. Nothing else is read of them.
func submitted(list *document.Element) ([]hub.Sent, error) {
	var all []hub.Sent
	for _, i := range list.All("FlowInstance") {
		said := i.Value("firstSubmittedInMilliseconds")
		if said == "" {
			continue // a draft
		}
		ms, err := strconv.ParseInt(said, 10, 64)
		id := i.Value("flowInstanceID")
		if err != nil || !isNumber(id) {
			return nil, hub.Strange(errors.New("the platform's list has numbers that are none"))
		}
		all = append(all, hub.Sent{ID: id, At: time.UnixMilli(ms)})
	}
	return all, nil
}
