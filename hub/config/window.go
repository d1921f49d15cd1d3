package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A Window is a time of the week, in Swedish time, when a system is closed and
// nothing is sent to it.
type Window struct {
	Day         time.Weekday // on which it begins
	From, Until int          // minutes after midnight; Until may be on the next day
}

// Holds reports whether t lies in the window. A window over midnight goes on into
// the next day; clocks on the wall decide, also when they are set back.
func (w Window) Holds(t time.Time) bool {
	t = t.In(hub.Stockholm)
	minute := t.Hour()*60 + t.Minute()
	if w.From < w.Until {
		return t.Weekday() == w.Day && minute >= w.From && minute < w.Until
	}
	return t.Weekday() == w.Day && minute >= w.From ||
		t.Weekday() == (w.Day+1)%7 && minute < w.Until
}

var days = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// windows reads "mon 18:00-20:00" and "mon-fri 22:00-04:00".
func (p *page) windows(texts []word) []Window {
	var all []Window
	for _, w := range texts {
		windows, ok := parseWindow(w.text)
		if !ok && w.text != "" {
			p.said(w, `maintenance is written as a day, or days, and a time: "mon 18:00-20:00", "mon-fri 22:00-04:00"`)
		}
		all = append(all, windows...)
	}
	return all
}

func parseWindow(text string) ([]Window, bool) {
	dayText, hours, _ := strings.Cut(text, " ")
	var fromHour, fromMinute, untilHour, untilMinute int
	form := "%2d:%2d-%2d:%2d"
	_, err := fmt.Sscanf(hours, form, &fromHour, &fromMinute, &untilHour, &untilMinute)
	from, until := fromHour*60+fromMinute, untilHour*60+untilMinute
	written := fmt.Sprintf("%02d:%02d-%02d:%02d", fromHour, fromMinute, untilHour, untilMinute)
	if err != nil || written != hours || from >= 24*60 || until > 24*60 || from == until || fromMinute > 59 || untilMinute > 59 {
		return nil, false
	}
	first, last, isRange := strings.Cut(strings.ToLower(dayText), "-")
	if !isRange {
		last = first
	}
	begin, end := dayOf(first), dayOf(last)
	if begin < 0 || end < 0 {
		return nil, false
	}
	var windows []Window
	for day := begin; ; day = (day + 1) % 7 {
		windows = append(windows, Window{Day: time.Weekday(day), From: from, Until: until})
		if day == end {
			return windows, true
		}
	}
}

func dayOf(name string) int {
	for i, day := range days {
		if day == name {
			return i
		}
	}
	return -1
}
