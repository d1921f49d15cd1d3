package mapping

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
)

// CompileDraft compiles the mapping in the file name of texts that somebody has sent, by
// the names that they have in the folder of a configuration. Its documents are to be made
// by Explain, which bounds what they cost.
func CompileDraft(texts map[string][]byte, name string) (*Mapping, []Problem) {
	var packed bytes.Buffer
	w := zip.NewWriter(&packed)
	for file, text := range texts {
		f, err := w.CreateHeader(&zip.FileHeader{Name: file, Method: zip.Store})
		if err == nil {
			_, err = f.Write(text)
		}
		if err != nil || !fs.ValidPath(file) {
			return nil, []Problem{{File: name, Line: 1, Text: "a file that came along has a name that none can have"}}
		}
	}
	w.Close()
	fsys, err := zip.NewReader(bytes.NewReader(packed.Bytes()), int64(packed.Len()))
	if err != nil {
		return nil, []Problem{{File: name, Line: 1, Text: "the files that came along cannot be read"}}
	}
	return Compile(fsys, name)
}

// Difference tells of the first place where one document is not another: where, and what
// each has there. It gives "" where they say the same, also when it is written otherwise.
func Difference(one, other hub.Document) (where, has, hasNot string) {
	if one.Type != other.Type {
		return "the document", one.Type, other.Type
	}
	d := difference{}
	if strings.HasPrefix(one.Type, "application/json") {
		d = differenceJSON(one.Reveal(), other.Reveal())
	} else {
		d = differenceXML(one.Reveal(), other.Reveal())
	}
	return d.where, d.wanted, d.came
}
