package web

import (
	_ "embed"
	"net/http"

	"github.com/knutpunkt/knutpunkt/hub"
)

// healthy says that the process answers.
func (s *Server) healthy(c *call) error {
	return c.json(http.StatusOK, map[string]string{"status": "ok", "version": s.Version})
}

// ready says whether forms are taken, and how those that are taken are kept. Of several
// processes behind one address, only those that are ready are to be called.
func (s *Server) ready(c *call) error {
	durability := s.store.Durability(c.r.Context())
	status, word := http.StatusOK, "ready"
	select {
	case <-s.ending:
		status, word = http.StatusServiceUnavailable, "ending"
	default:
	}
	if durability == degraded || durability == hub.Unreachable {
		status, word = http.StatusServiceUnavailable, durability
	}
	return c.json(status, map[string]string{"status": word, "durability": durability, "version": s.Version})
}

//go:embed openapi.json
var openAPI []byte

// contract gives the text that the public listener is built after.
func (s *Server) contract(c *call) error {
	c.w.Header().Set("Content-Type", jsonType)
	c.w.Header().Set("Cache-Control", "max-age=300")
	c.w.Write(openAPI)
	return nil
}

//go:embed operators.json
var operatorsAPI []byte

// operatorContract answers with the written contract of the operators' API.
func (s *Server) operatorContract(c *call) error {
	c.w.Header().Set("Content-Type", jsonType)
	_, err := c.w.Write(operatorsAPI)
	return err
}
