"""What somebody who means harm can do: sections that try it and say what they tried and what they found."""
