package mapping

import (
	"io/fs"
	"path"

	"github.com/knutpunkt/knutpunkt/hub"
)

// CheckTaken renders every case beside the mapping, and tells of each place where the document
// breaks a rule of the system that is to have it which no schema knows. A case that cannot be
// read or rendered is told of by RunTests.
func (m *Mapping) CheckTaken(fsys fs.FS, by hub.Checker) []Problem {
	if len(m.wrong) > 0 {
		return nil
	}
	r := &report{file: m.path}
	for _, name := range Cases(fsys, m) {
		known, err := ReadGiven(fsys, path.Join(m.testFolder(), name, "given.json"))
		if err != nil {
			continue
		}
		doc, err := m.Render(known)
		if err != nil {
			continue
		}
		for _, breach := range by.Check(hub.Delivery{Key: known.Key, Operation: m.operation, Document: doc}) {
			r.add(m.lineOf(breach.Path), "the test %s makes what its system would refuse: %s", name, breach.Text)
		}
	}
	return r.sorted()
}
