package hub

import (
	"context"
	"strconv"
)

// A Publisher makes the feed known outside the hub, to whoever wants to follow all cases.
type Publisher interface {
	// Publish makes lines known: those of a case in their order. Where it gives an error
	// some of them may be, and all are given to it again.
	Publish(ctx context.Context, lines []Status) error
}

// StatusEvent is what the lines of a feed call themselves where they are CloudEvents.
const StatusEvent = "knutpunkt.status"

// publishFeed makes the feed known outside, in one process at a time, from where that came
// to. Who takes over may repeat lines and skips none: how far the feed is known is stored
// when it is.
func (h *Hub) publishFeed(ctx context.Context) {
	if h.Publisher == nil {
		return
	}
	silent, leads, end := false, false, func() {}
	defer func() { end() }()
	h.sweep(ctx, h.unpublished, func(ctx context.Context) (more bool) {
		if !leads && !Swept(ctx) {
			return false // a new line is the leader's: whether that is still another is asked now and then
		}
		stop, held, err := h.Store.Lead(ctx, publishDuty)
		if leads = err == nil && !held; leads {
			end = stop
			more, err = h.publishSome(ctx)
		}
		if failed := err != nil; failed != silent && ctx.Err() == nil {
			silent = failed
			h.tellPublished(err)
		}
		return more
	})
}

// publishDuty is what one process of several has to do, and publishedTo is where the Store
// keeps how far that is: no system has a name without a full stop.
const (
	publishDuty          = "publish"
	publishedTo SystemID = "published"
)

// publishAtATime is how many lines are made known at once. Those of one case wait for each
// other, and a Publisher has some 20 seconds for all: so few that also slow brokers, which take
// 300 ms for a line, get through when all are of one case. What does not get through is begun
// again from its first line, and would never come further.
const publishAtATime = 64

// publishSome makes the next lines known, and stores that they are.
func (h *Hub) publishSome(ctx context.Context) (more bool, err error) {
	after, err := h.published(ctx)
	if err != nil {
		return false, err
	}
	lines, err := h.Store.Statuses(ctx, AsHub(), "", after, publishAtATime)
	if err != nil || len(lines) == 0 {
		return false, err
	}
	if err := h.Publisher.Publish(ctx, lines); err != nil {
		return false, err
	}
	next := Cursor(strconv.FormatUint(lines[len(lines)-1].Seq, 10))
	_, err = h.Store.Report(ctx, publishedTo, nil, next, h.Clock())
	return err == nil && len(lines) == publishAtATime, err
}

// published gives the number of the last line that is known outside.
func (h *Hub) published(ctx context.Context) (uint64, error) {
	cursor, err := h.Store.Cursor(ctx, publishedTo)
	after, _ := strconv.ParseUint(string(cursor), 10, 64) // none yet: from the beginning
	return after, err
}

// Unpublished gives how many lines of the feed are not known outside yet.
func (h *Hub) Unpublished(ctx context.Context) (uint64, error) {
	known, err := h.published(ctx)
	if err != nil {
		return 0, err
	}
	end, err := h.Store.FeedEnd(ctx)
	return end - min(known, end), err
}

// tellPublished says that the feed is not made known, or is again: once, and not at each try
// of a long outage.
func (h *Hub) tellPublished(err error) {
	if err != nil {
		h.Log.Warn("the feed is not made known outside: its lines wait", "cause", noteOf(err))
		return
	}
	h.Log.Info("the feed is made known outside again")
}
