"""A flow killed around every record and effect of its run, wherever it rests: nothing is lost or done twice."""
