"""Operations other than chat: what is asked, and how each dialect asks it and reads the answer. Pure."""
