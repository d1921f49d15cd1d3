package web

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// accepts reports whether a caller takes an answer of a media type. One that says
// nothing takes anything, and one that takes JSON takes our problems for JSON too.
func accepts(h http.Header, media string) bool {
	wanted := preferences(h, "Accept")
	if len(wanted) == 0 {
		return true
	}
	kind, _, _ := strings.Cut(media, "/")
	for _, w := range wanted {
		switch {
		case w == media, w == "*/*", w == "*", w == kind+"/*":
			return true
		case w == problemType && media == jsonType:
			return true
		}
	}
	return false
}

// language gives "en" to who asks for it before Swedish, and "sv" to all others.
func language(h http.Header) string {
	for _, l := range preferences(h, "Accept-Language") {
		switch primary, _, _ := strings.Cut(l, "-"); primary {
		case "sv", "en":
			return primary
		}
	}
	return "sv"
}

// preferences reads a header of choices, the best first; those with q=0 are refused
// and left out.
func preferences(h http.Header, name string) []string {
	type choice struct {
		name string
		q    float64
	}
	var choices []choice
	for part := range strings.SplitSeq(strings.Join(h.Values(name), ","), ",") {
		value, rest, _ := strings.Cut(part, ";")
		value = strings.ToLower(strings.TrimSpace(value))
		q := 1.0
		for parameter := range strings.SplitSeq(rest, ";") {
			if text, is := strings.CutPrefix(strings.TrimSpace(parameter), "q="); is {
				q, _ = strconv.ParseFloat(text, 64)
			}
		}
		if value == "" || q <= 0 {
			continue
		}
		at := len(choices)
		for at > 0 && choices[at-1].q < q {
			at--
		}
		choices = append(choices[:at], append([]choice{{value, q}}, choices[at:]...)...)
	}
	names := make([]string, len(choices))
	for i, c := range choices {
		names[i] = c.name
	}
	return names
}

// mediaType gives the media type of what a call brings, with its parameters, if it is
// one of those that are taken here and in a character set that is.
func (c *call) mediaType(taken ...string) (string, map[string]string, error) {
	refused := refusal("unsupported-media-type")
	refused.header = http.Header{"Accept-Post": {strings.Join(taken, ", ")}}
	if e := strings.ToLower(strings.Join(c.r.Header.Values("Content-Encoding"), ",")); e != "" && e != "identity" {
		return "", nil, refused
	}
	said := c.r.Header.Values("Content-Type")
	if len(said) != 1 || saysTwice(said[0], "charset=") || saysTwice(said[0], "boundary=") {
		return "", nil, refused
	}
	media, parameters, err := mime.ParseMediaType(said[0])
	if err != nil {
		return "", nil, refused
	}
	charset := strings.ToLower(parameters["charset"])
	if charset != "" && charset != "utf-8" && (media == jsonType || !readableCharsets[charset]) {
		return "", nil, refused
	}
	for _, t := range taken {
		if t == media {
			return media, parameters, nil
		}
	}
	return "", nil, refused
}

// saysTwice finds a parameter that is given twice, which mime forgives.
func saysTwice(header, parameter string) bool {
	return strings.Count(strings.ToLower(header), parameter) > 1
}

// readableCharsets are those that older platforms write XML in, beside UTF-8.
var readableCharsets = map[string]bool{"iso-8859-1": true, "windows-1252": true, "us-ascii": true}
