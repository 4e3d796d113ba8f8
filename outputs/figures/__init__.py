"""What a report shows: tables and charts as definitions, from which pages, pictures and files are made alike."""
