-- Until when nothing is begun: for a group, or, where none is named, for any.
CREATE TABLE pauses (
    group_name TEXT REFERENCES groups (name) ON DELETE CASCADE,
    until      INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX pauses_of ON pauses (ifnull(group_name, ''));
