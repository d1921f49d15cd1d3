package declared

import "time"

// What the connectors' entries in systems.yaml have in common. The decoder of systems.yaml knows no embedded
// structs, so that keys which stand beside others of a connector's own are repeated there.

// A KeyPlace says how a system gets the Key.
type KeyPlace struct {
	Header   string `yaml:"header,omitempty" doc:"the header that carries it"`
	Document string `yaml:"document,omitempty" doc:"where in the document the mapping has written it"`
}

// A Receipt says where a receipt stands in an answer.
type Receipt struct {
	Number string `yaml:"number" doc:"what people call the case"`
	Ref    string `yaml:"ref,omitempty" doc:"what the system calls it; the number when left out"`
	Echo   string `yaml:"echo,omitempty" doc:"where the answer repeats the Key"`
	At     string `yaml:"at,omitempty" doc:"the system's time of it; ours when left out"`
}

// A Result says where an answer has a code that says how it went, and what codes mean.
type Result struct {
	Path   string            `yaml:"path" doc:"where the code stands in the answer"`
	Values map[string]string `yaml:"values" doc:"what each code means; \"\" is that there is none"`
}

// A FindList says where the hits of a Find stand.
type FindList struct {
	List                  string
	Number, Ref, Echo, At string
	Among                 bool
}

// A FileList says where the files of a case stand, and what a file is known by.
type FileList struct{ List, N, SHA256, Name, Ref string }

// A News says how what happened to a case stands in an answer.
type News struct{ List, ID, Word, At, Correction string }

// A History says where the changes of all cases stand in an answer.
type History struct {
	News
	Next, First, Ref, Key string
	Overlap               time.Duration
}
