"""A mail server that hangs, dawdles, refuses for now, or goes away when it has the mail."""

import time

from calls import Post
from support import Mail

MOODS = ["well", "silent", "slow", "busy", "refuses", "gone", "gone after taking it"]


class MoodyPost(Post):
    def __init__(self, history, chance):
        self.chance, self.is_well, self.moods = chance, False, []
        super().__init__(history)

    def recover(self):
        self.is_well = True

    def next_mood(self):
        """Any one, but each as often as it stands in the list."""
        with self.lock:
            if not self.moods:
                self.moods = self.chance.sample(MOODS, len(MOODS))
            return self.moods.pop()

    def talk(self, line):
        mood = "well" if self.is_well else self.next_mood()
        if mood == "well":
            super().talk(line)
        elif mood == "silent":
            # The client has to give up by itself; the thread ends with the connection.
            line.rfile.read()
        elif mood == "refuses":
            line.say("421 come back later")
        else:
            self.talk_badly(line, mood)

    def talk_badly(self, line, mood):
        line.say("220 mail.example.com")
        recipients = []
        while said := line.rfile.readline().decode().strip():
            verb = said.split(" ")[0].split(":")[0].upper()
            if mood == "slow":
                time.sleep(0.5)
            if verb == "RCPT":
                recipients.append(said.partition("<")[2].partition(">")[0])
                if mood == "busy":
                    line.say("451 try again later")
                    continue
            if verb == "DATA":
                line.say("354 go on")
                if mood == "gone":
                    return
                # Whoever sends does not learn that this one has arrived, and has to send it again.
                taken = mood != "gone after taking it"
                self.arrived(Mail(recipients, self.content(line)), taken)
                recipients = []
                if not taken:
                    return
            line.say("221 bye" if verb == "QUIT" else "250 ok")
            if verb == "QUIT":
                return

