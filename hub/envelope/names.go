package envelope

import (
	"mime"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// DisplayName makes of what a caller calls its n-th file a name that people can be
// shown and systems be given: no path, nothing that is not seen or turns the text
// around, no name that means something to an operating system, at most 200 bytes with
// its ending kept. The name is never used to store anything under.
func DisplayName(name string, n int) string {
	if !utf8.ValidString(name) { // older platforms write ISO-8859-1
		latin := make([]rune, 0, len(name))
		for i := range len(name) {
			latin = append(latin, rune(name[i]))
		}
		name = string(latin)
	}
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == 0x2028 || r == 0x2029 || strings.ContainsRune(`<>:"|?*`, r) {
			return -1
		}
		return r
	}, name)
	name = shorten(strings.Trim(name, ". "))
	stem, _, _ := strings.Cut(name, ".")
	switch upper := strings.ToUpper(stem); {
	case name == "":
		return "bilaga-" + strconv.Itoa(n+1)
	case upper == "CON", upper == "PRN", upper == "AUX", upper == "NUL",
		len(upper) == 4 && (strings.HasPrefix(upper, "COM") || strings.HasPrefix(upper, "LPT")):
		return "_" + name
	}
	return name
}

func shorten(name string) string {
	if len(name) <= MostText {
		return name
	}
	ending := ""
	if dot := strings.LastIndexByte(name, '.'); dot >= 0 && len(name)-dot <= 12 {
		ending = name[dot:]
	}
	stem := name[:MostText-len(ending)]
	for !utf8.ValidString(stem) {
		stem = stem[:len(stem)-1]
	}
	return stem + ending
}

// PlainType gives the media type that a part of a form says it has.
func PlainType(said string) string {
	media, _, err := mime.ParseMediaType(said)
	if err != nil {
		return "application/octet-stream"
	}
	return media
}
