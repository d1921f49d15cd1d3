package hub

import "time"

// Stockholm is the time zone of every date that a citizen or a system is told.
// cmd embeds the zone's data, so that it is there on any machine.
var Stockholm = mustLoad("Europe/Stockholm")

func mustLoad(zone string) *time.Location {
	l, err := time.LoadLocation(zone)
	if err != nil {
		panic("hub: the time zone " + zone + " is not on this machine; import time/tzdata")
	}
	return l
}

func addWorkingDays(t time.Time, n int) time.Time {
	for n > 0 {
		t = t.AddDate(0, 0, 1)
		if IsWorkingDay(t) {
			n--
		}
	}
	return t
}

// IsWorkingDay reports whether Swedish authorities are open on t's day: not on
// Saturdays and Sundays, holidays, and the eves that are kept as holidays.
func IsWorkingDay(t time.Time) bool {
	t = t.In(Stockholm)
	if d := t.Weekday(); d == time.Saturday || d == time.Sunday {
		return false
	}
	y, m, d := t.Date()
	switch {
	case m == time.January && (d == 1 || d == 6), m == time.May && d == 1,
		m == time.June && d == 6, m == time.December && (d >= 24 && d <= 26 || d == 31):
		return false
	case m == time.June && t.Weekday() == time.Friday && d >= 19 && d <= 25: // midsommarafton
		return false
	}
	day := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	switch int(day.Sub(easter(y)).Hours() / 24) {
	case -2, 1, 39: // långfredag, annandag påsk, Kristi himmelsfärd
		return false
	}
	return true
}

// easter gives Easter Sunday by the Gregorian rule (Meeus, Jones and Butcher).
func easter(y int) time.Time {
	a, b, c := y%19, y/100, y%100
	d, e := b/4, b%4
	g := (8*b + 13) / 25
	h := (19*a + b - d - g + 15) % 30
	i, k := c/4, c%4
	l := (32 + 2*e + 2*i - h - k) % 7
	m := (a + 11*h + 22*l) / 451
	n := h + l - 7*m + 114
	return time.Date(y, time.Month(n/31), n%31+1, 0, 0, 0, 0, time.UTC)
}
