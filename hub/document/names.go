package document

import (
	"strings"
	"unicode"
)

// splitName parts a qualified name into prefix and local name.
func splitName(name string) (prefix, local string) {
	if before, after, qualified := strings.Cut(name, ":"); qualified {
		return before, after
	}
	return "", name
}

// isQualifiedName says whether name is a QName: one XML name, or two with a colon between.
func isQualifiedName(name string) bool {
	prefix, local, qualified := strings.Cut(name, ":")
	return isPlainName(prefix) && (!qualified || isPlainName(local))
}

func isPlainName(name string) bool {
	for i, r := range name {
		if !isNameStart(r) && (i == 0 || !isNameRest(r)) {
			return false
		}
	}
	return name != ""
}

func isNameStart(r rune) bool {
	if r < 0x80 {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || r == '_'
	}
	return unicode.Is(nameStarts, r)
}

func isNameRest(r rune) bool {
	return '0' <= r && r <= '9' || r == '-' || r == '.' || r == 0xB7 ||
		0x300 <= r && r <= 0x36F || r == 0x203F || r == 0x2040
}

// nameStarts is NameStartChar of XML 1.0, fifth edition, beyond ASCII.
var nameStarts = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0xC0, Hi: 0xD6, Stride: 1}, {Lo: 0xD8, Hi: 0xF6, Stride: 1}, {Lo: 0xF8, Hi: 0x2FF, Stride: 1},
		{Lo: 0x370, Hi: 0x37D, Stride: 1}, {Lo: 0x37F, Hi: 0x1FFF, Stride: 1}, {Lo: 0x200C, Hi: 0x200D, Stride: 1},
		{Lo: 0x2070, Hi: 0x218F, Stride: 1}, {Lo: 0x2C00, Hi: 0x2FEF, Stride: 1}, {Lo: 0x3001, Hi: 0xD7FF, Stride: 1},
		{Lo: 0xF900, Hi: 0xFDCF, Stride: 1}, {Lo: 0xFDF0, Hi: 0xFFFD, Stride: 1},
	},
	R32:         []unicode.Range32{{Lo: 0x10000, Hi: 0xEFFFF, Stride: 1}},
	LatinOffset: 2,
}

// isNameByte says whether a byte of UTF-8 can be part of a name; which of them make one is decided on
// the whole.
func isNameByte(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' ||
		b == '_' || b == '-' || b == '.' || b == ':' || b >= 0x80
}
