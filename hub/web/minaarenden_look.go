package web

import (
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A colour is red, green and blue.
type colour [3]uint8

// usual is the colour where a municipality has none, and of pages that are nobody's own.
var usual = colour{0x0b, 0x4f, 0x6c}

var (
	black, white = colour{}, colour{255, 255, 255}
	// What is behind texts, by day and by night, where they are hardest to read;
	// pages/mina.css has them too.
	byDay, byNight = colour{0xf3, 0xf4, 0xf6}, colour{0x20, 0x26, 0x2c}
)

// readable is the least contrast between a text and what is behind it (WCAG 2.1 AA).
const readable = 4.5

func parseColour(text string) colour {
	var c colour
	bytes, err := hex.DecodeString(strings.TrimPrefix(text, "#"))
	if err != nil || len(bytes) != len(c) {
		return usual
	}
	copy(c[:], bytes)
	return c
}

func (c colour) String() string { return "#" + hex.EncodeToString(c[:]) }

// luminance is how light a colour is to the eye, from 0 to 1, as WCAG reckons it.
func (c colour) luminance() float64 {
	var sum float64
	for i, weight := range [3]float64{0.2126, 0.7152, 0.0722} {
		v := float64(c[i]) / 255
		if v <= 0.04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+0.055)/1.055, 2.4)
		}
		sum += weight * v
	}
	return sum
}

// contrast is how well one colour is read on another, from 1 to 21.
func contrast(a, b colour) float64 {
	light, dark := a.luminance(), b.luminance()
	if light < dark {
		light, dark = dark, light
	}
	return (light + 0.05) / (dark + 0.05)
}

// ink is black or white, whichever is read best on the colour. One of them always has a
// contrast of 4.58 or more.
func (c colour) ink() colour {
	if contrast(c, black) > contrast(c, white) {
		return black
	}
	return white
}

// on gives the colour as far from a paper as it takes to be read there.
func (c colour) on(paper colour) colour {
	toward := paper.ink()
	for step := 0; step <= 20; step++ {
		var mixed colour
		for i := range c {
			mixed[i] = uint8((int(c[i])*(20-step) + int(toward[i])*step) / 20)
		}
		if contrast(mixed, paper) >= readable {
			return mixed
		}
	}
	return toward
}

// coloursOf gives the style rules that let what has the class of a municipality wear its
// colour. They stand in a style of their own, since a page may only use styles whose hash
// its policy names.
func coloursOf(b *hub.Bundle, ms []hub.Municipality) string {
	var rules strings.Builder
	rule := func(selector string, c colour) {
		fmt.Fprintf(&rules, "%s { --accent: %s; --on-accent: %s; --mark: %s; }\n", selector, c, c.ink(), c.on(byDay))
		fmt.Fprintf(&rules, "@media (prefers-color-scheme: dark) { %s { --mark: %s; } }\n", selector, c.on(byNight))
	}
	rule(":root", usual)
	ms = slices.Clone(ms)
	slices.Sort(ms)
	for _, m := range slices.Compact(ms) {
		if text, known := b.Municipalities[m]; known && text.Colour != "" {
			rule("."+classOf(m), parseColour(text.Colour))
		}
	}
	return rules.String()
}

// classOf is the class of what wears a municipality's colour.
func classOf(m hub.Municipality) string { return "m" + string(m) }

// A wearer is who a page, or a part of one, looks like.
type wearer struct {
	Code  hub.Municipality
	Name  string
	Class string
	Logo  string // its address; "" for none
	Help  string // whom citizens ask; "" for nobody
}

// wearerOf gives how a municipality looks.
func (s *Server) wearerOf(m hub.Municipality) wearer {
	text := s.Hub.Bundle().Municipalities[m]
	w := wearer{Code: m, Name: text.Name, Class: classOf(m), Help: text.Help}
	if w.Name == "" {
		w.Name = string(m)
	}
	if text.Logo != nil {
		w.Logo = "/logo/" + string(m)
	}
	return w
}

// showLogo answers with a municipality's picture. What its people put there is shown as a
// picture and nothing more, also to who opens it by itself.
func (s *Server) showLogo(c *call) error {
	if s.Login == nil {
		return refusal("not-found")
	}
	picture := s.Hub.Bundle().Municipalities[hub.Municipality(c.r.PathValue("municipality"))].Logo
	if picture == nil {
		return refusal("not-found")
	}
	h := c.w.Header()
	h.Set("Content-Type", picture.Type)
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	h.Set("Cache-Control", "public, max-age=3600")
	c.w.WriteHeader(200)
	c.w.Write(picture.Bytes)
	return nil
}
