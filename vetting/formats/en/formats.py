"""Times in the administration as the other pages write them; Django has its own for English."""

DATE_FORMAT, TIME_FORMAT, DATETIME_FORMAT = "j M Y", "H:i", "j M Y H:i"
