package filedropsim

import (
	"github.com/knutpunkt/knutpunkt/connectors/certify"
	"github.com/knutpunkt/knutpunkt/connectors/simfolder"
	"github.com/knutpunkt/knutpunkt/hub"
)

// Subject is what it takes to examine a connector that puts files in a folder.
func Subject() certify.Subject {
	return certify.Subject{
		Config:     "folder: '{{DIR}}/in'\ndone: '{{DIR}}/done'\n",
		Folder:     func(dir string) certify.Folder { return simfolder.NewInbox(dir) },
		Deliveries: map[string]hub.Delivery{"file": {}},
	}
}

// SubjectWithFiles is the same for a connector that puts the attachments there too.
func SubjectWithFiles() certify.Subject {
	s := Subject()
	s.Config += "attachments: yes\n"
	s.Deliveries = map[string]hub.Delivery{"file": {Files: []hub.File{certify.File("ritning.pdf", "application/pdf", "%PDF")}}}
	return s
}
