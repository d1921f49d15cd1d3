package config

// checkTaken holds what the mappings' tests make against the systems that legs would hand it to, as far
// as those know rules that no schema can tell.
func (c *configuration) checkTaken() {
	for _, u := range c.uses {
		if by := c.opened[u.to].Checker; by != nil {
			c.problems = append(c.problems, u.mapping.CheckTaken(c.fsys, by)...)
		}
	}
}
