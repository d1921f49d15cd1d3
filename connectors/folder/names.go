package folder

import (
	"fmt"
	"mime"
	"path"
	"strings"
)

// safe gives a Key as a name that is one on every system: letters, digits, - and _ stay, and every
// other byte is written %XX, so that two Keys never have one name.
func safe(key string) string {
	var b strings.Builder
	for i := range len(key) {
		if c := key[i]; isPlain(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func isPlain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

// endings of the media types that documents and attachments usually have.
var endings = map[string]string{
	"application/xml": ".xml", "text/xml": ".xml", "application/json": ".json", "application/pdf": ".pdf",
	"image/jpeg": ".jpg", "image/png": ".png", "text/plain": ".txt", "text/csv": ".csv",
}

// endingOf gives the ending that a media type has, or else the one that the file came with, if it is
// a plain one.
func endingOf(mediaType, name string) string {
	base, _, _ := mime.ParseMediaType(mediaType)
	if ending, known := endings[base]; known {
		return ending
	}
	ending := strings.ToLower(path.Ext(name))
	if len(ending) < 2 || len(ending) > 6 || strings.ContainsFunc(ending[1:], func(r rune) bool {
		return r > 0x7f || !isPlain(byte(r))
	}) {
		return ".bin"
	}
	return ending
}
