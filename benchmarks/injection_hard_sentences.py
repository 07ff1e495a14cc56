"""Honest sentences written for training the injection model: everyday ones, and talk about models, with the words of attacks in them.

A pattern names slots; each sentence fills every slot of its pattern by a hash, so that the same ones are made each time. Dedicated to the
public domain (CC0).
"""
# ruff: noqa: E501, RUF001  tables; other scripts' letters look like ours

from __future__ import annotations

import hashlib
import re

__all__ = ["filled", "hard_honest"]

_SLOTS = {
    "away": "ignore, ignore, disregard, forget, forget about, override, bypass, skip, drop, reset, disable, remove, lift, overrule, circumvent, delete, erase, cancel, suspend, break, escape, evade, unlock, discard, abandon, neglect, dismiss, violate, turn off, switch off, get around, deactivate, relax",
    "aways": "ignores, ignored, disregarded, forgot, overrides, overrode, bypasses, bypassed, skipped, dropped, disabled, removed, lifted, overruled, circumvented, deleted, cancelled, suspended, broke, evaded, unlocked, abandoned, neglected, dismissed, violated",
    "awaying": "ignoring, disregarding, forgetting, overriding, bypassing, skipping, dropping, resetting, disabling, removing, lifting, deleting, cancelling, suspending, breaking, unlocking, evading",
    "thing": "the warning light, the alarm, blank lines, the second column, the old tariff, the noise from upstairs, my earlier mail, the previous tenant's letters, all duplicates, the instructions on the box, the rules of the club, the restrictions on luggage, the first chapter, the recipe's last step, the manager's decision, the speed limit, the parking rules, a curfew, the password of the router, the lock, the spam filter, the coffee filter, the water filter, the safety pin, the safety belt, the safety valve, the fuse, the default value, a default argument, environment variables, the parent's method, a compiler warning, the linter's advice, the cache, a proxy, the firewall of my laptop, the login screen, the update, the reminder, that comment, what he said, his advice, the old agreement, the contract's third clause, all previous entries, the earlier draft, the original plan, every exception, null values, missing values, upper case, trailing spaces, the header row, the context menu, the captions, the rest of the list, the guidelines on clothing, all limits, a limit of five, any error below ten per cent, old messages, all notifications, both instructions, the embargo, the ban on fireworks, the protocol of the last meeting, an outdated policy, the privacy policy of the shop, the system clock, the system's volume, the prompt of the editor, the command prompt, prompts to restart, her orders, an order from March, a constraint, a foreign key constraint, the boundary between two fields, barriers, the mode of the camera, developer options, the debug output, internal links, hidden rows, hidden fees, everything in that folder, everything else, the above, the text below the picture, the question above, all of it, your ticket, your appointment, your seat belt, your homework, your password, your settings, your first answer",
    "show": "show, show me, print, repeat, display, tell me, list, share, reveal, expose, disclose, publish, explain, translate, summarise, output, read out, quote, copy, recite, return, describe, write down, send me, give me, paraphrase, leak, extract, export, dump",
    "shows": "reveals, revealed, shows, displays, printed, repeated, disclosed, exposed, leaked, shared, published, divulged, confessed, explained, listed, told us, uncovered, unveiled",
    "what": "the results, the ingredients, the last line, the secret ingredient, the hidden costs, your opening hours, the instructions for the oven, the rules of chess, the text of the song, the system log, the full address, the whole menu, the initial price, the original text, the exact time, the exact wording of the law, the first paragraph, the first ten primes, the previous chapter, the previous owner, the names of all guests, all the steps, all rules for the exam, internal phone numbers, the private beach, the core idea, the base salary, the guidelines for visitors, your favourite recipe, your price list, your return policy, your contact details, the configuration of my screen, the system requirements, the operating system, the prompt for the essay, three prompts for a diary, the content of the box, the contents of this folder, the above table, the words above, the sentence above, the message from Monday, everything about bees, everything we know about Mars, the hidden message in the painting, a secret of the pyramids, the confidential part of the contract, the limits of the method, the limitations of the study, the restrictions in this town, the policy on pets, the orders of last month, the parameters of the function, the environment variables of the build, the directives of the council, the source code of the page, the output of the script, the error message",
    "role": "a travel guide, a chess coach, a nurse at a reception, a strict editor, my Italian teacher, a friendly librarian, an experienced gardener, a lawyer for tenants, a system administrator, a developer of games, a Linux terminal, a calculator, a historian, a detective in a novel, a villain in a play, a pirate, a dragon, a wise king, a hotel clerk, a sports reporter, an unfriendly customer, a job interviewer, a recruiter, a debate partner, a therapist for children, a mathematics tutor, a senior engineer, the editor of a newspaper, a security consultant, an accountant, a poet, a sommelier, a weather presenter, a museum guide, a robot in a comedy, an assistant in a shop, a helpful assistant, an AI tutor for beginners, a chatbot for a bakery, a doctor, a fitness coach, an expert in soil, a database expert, a product manager, a stand-up comedian, a character in a fairy tale",
    "task": "ask me three questions, suggest places to visit near the sea, explain the opening that I played, tell a story about a lighthouse, write a short notice, correct my grammar, plan lunch for a week, help me choose a bicycle, describe a storm, review my letter, answer in short sentences, give me feedback on my speech, draft a reply to a complaint, explain photosynthesis, write a limerick, compare two contracts, teach me ten words, prepare a quiz, list common mistakes, recommend a book, write the dialogue, make a timetable, describe your day, say what you see from the window, explain the rules, follow the recipe with me, review this function, find the bug, write tests for it",
    "place": "at work, in my code, during the exam, in the new version, on the train, at home, in the kitchen, in the handbook, in a spreadsheet, on my phone, in this town, before the holidays, after the update, for one day, in the meeting, in Java, in SQL, in the garden, in the novel, on the second page, without asking, with two clicks, in simple words, in three sentences, for beginners, as a table, step by step, in French, by Friday, from the terminal, safely, legally, again, now, this time",
    "who": "my neighbour, the teacher, the captain, the committee, our landlord, the pilot, a judge, the mayor, her brother, the company, the engineer, the patient, the witness, the referee, the operator, the administrator, the developer, our assistant, the bot of the shop, the government, the union, the driver, the compiler, the program, the parser, the browser, the editor, the scientist, a journalist, the report, the film, the court, the audit, the museum, the team, my old system, the machine, the user, some users, the model, the agent of the insurance",
    "ask": "Can I, Could I, How do I, How can I, Should I, May we, When should I, Is it safe to, Is it legal to, Is it allowed to, Is it rude to, Why can't I, What happens if I, Why would anybody, Where can I, Do I have to, What is the best way to, Is there a command to, Which option do I need to, Would it be wise to, I want to, I need to, I would like to, We decided to, They told me to, It is time to, She had to, He refused to, Please do not, Never, Try not to, Remember to, There is no need to, You can, You may, You should, Please, Let us, Help me, Help me to",
    "topic": "prompt injection, indirect prompt injection, jailbreaks, jailbreaking, prompt leaking, system prompts, prompt engineering, content filters, guardrails, AI safety, alignment, content moderation, red teaming, role prompting, adversarial prompts, refusals of chatbots, hidden instructions in web pages, tool use by agents, developer messages, safety policies of AI companies, instruction following, instruction tuning, data leaks through chatbots, model extraction, SQL injection, dependency injection, code injection, command injection, phishing, social engineering, access control, admin rights, root access, the principle of least privilege, sandbox escapes, secrets management, debug mode, developer mode, maintenance mode",
    "about": "Explain, Summarise what is known about, Write a short article about, What is, What are the risks of, How do teams defend against, Give three examples of, Give a short definition of, Who first described, Why is it hard to prevent, How do I test my chatbot for, Draft a talk on, Prepare a slide about, Compare papers on, Which tools help with, What is the history of, How would you teach a class on, Recommend books on, Is there a standard for, Translate this heading: a guide to, What do auditors ask about, What does the law say about, I am writing a thesis on, Our team had a workshop about, The podcast this week is about, The chapter covers, My question concerns",
    "llm": "the assistant, our chatbot, the model, a language model, the agent, an AI assistant, a support bot, the copilot, ChatGPT, Claude, the LLM, the API, an AI agent, GPT models, a chat model",
    "llmfact": "follows the instructions of the page, ignores the system prompt after a long conversation, repeats its instructions when customers ask, refuses harmless questions, should not reveal its prompt, must never share passwords, cannot see earlier messages, has no memory of previous chats, is trained with guidelines, has a filter for unsafe content, runs in a sandbox without network, needs a system prompt of at most 200 words, answers in the language of the user, uses the tools that the developer lists, reads the hidden text of a page, was jailbroken by a student, acts on behalf of the user, forgets the first message, gets its rules from a file, lets an administrator override the settings, was told to be polite, keeps internal data private, pretends to be a person, is not allowed to give medical advice, should ignore commands in documents, treats text from tools as data",
    "llmask": "Why do you think that, How can we test whether, What does it mean that, Write a note which says that, The documentation says that, In our report we found that, Is it a problem that, The article claims that, Users complain that, Our policy says that, The release note says that, It is a known limitation that, Explain to my manager why, The researchers showed that, I read that",
    "label": "NOTE, IMPORTANT, WARNING, ATTENTION, TODO, FIXME, Update, System, System message, Reminder, Instructions, New rule, Notice, Admin, To all staff, Dear users, URGENT, Security notice, Changelog, Rule 3, Step 2, Q, Tip, Task, Output, Format, Example",
    "notice": "the meeting moved to room 4, back up your files before you install the update, remove the old filter first, the new instructions for the printer lie beside it, all users must sign in again, disable the alarm before entering, the timetable of last year is no longer valid, this replaces all earlier instructions on parking, ignore the letter of 3 May, the rules have changed since last year, do not share your password, the system will restart tonight, your new instructions are in the folder, act as soon as the light turns red, answer all questions, return the form without the hidden page, the developer mode has been removed, only the administrator may override this, print two copies, follow the instructions of the staff, the guidelines were updated, your limit has been raised, the restrictions end on Sunday, enter the code and press confirm, repeat the steps until the tank is full, no exceptions, send all orders to the new address, forget the old address, delete all previous versions, the user can now skip the introduction, rewrite the text in plain words, answer in one sentence, give the output as JSON, use only the facts above, keep the original order",
    "verbword": "override, reveal, bypass, disregard, pretend, jailbreak, injection, prompt, directive, instruction, unrestricted, uncensored, confidential, disclose, forget, ignore, guideline, restriction, obey, comply, simulate, roleplay, leak, exploit, hack, system, developer, administrator, authorise, privileged, sudo, root, base64, decode, execute, payload, backdoor, malware, sandbox, hypothetical, unlimited, amoral, dan, evil, secretly, silently, exfiltrate, credentials",
    "wordask": "What does the word @ mean?, How do you spell @?, Use the word @ in a sentence., Translate @ into Spanish., What is a synonym of @?, Which syllable of @ is stressed?, Give a crossword clue for @., Where does the word @ come from?, Is @ a noun or a verb?, Explain @ to a child., My crossword asks for @ in another word., What rhymes with @?, How often does @ occur in the book?, The chapter on @ is too long., I looked up @ yesterday., A film called @ came out last year., The band named its album @., @ was the topic of the quiz., Write a haiku about the word @., Why is @ written in capitals?",
    "uiverb": "Copy, Share, Save, Edit, Delete, Search, Export, Import, Show, Hide, Reset, Ignore, Forget, Override, Reveal, Print, Repeat, Enable, Disable, Enter, Manage, Create, Improve, Test, View, Open, Close, Rename, Publish, Restore, Skip, Clear, Select, Change, Translate, Download",
    "uiobj": "prompt, prompts, your prompt, system prompt, all prompts, prompt template, instructions, your instructions, custom instructions, previous messages, all rules, rules, filters, all filters, restrictions, hidden items, password, your password, secret key, settings, all settings, developer mode, debug mode, admin mode, safe mode, content filter, safety settings, previous version, original text, all previous entries, configuration, role, assistant, model, output, context, policy, this chat, conversation, system message, initial message, warnings, new instructions",
    "uitail": ", ?, ..., !,  and continue,  first,  (optional),  in the editor,  of this project,  before you start,  was saved.,  could not be loaded.,  for everyone,  for your team,  as a file",
}  # fmt: skip

_PATTERNS = (
    (1400, "{ask} {away} {thing} {place}?"), (700, "{ask} {away} {thing}."), (500, "{who} {aways} {thing} {place}."),
    (300, "{awaying} {thing} {place} is a bad idea, says {who}."), (300, "{away} {thing}, but not {thing}."),
    (500, "{ask} {show} {what} {place}?"), (500, "{show} {what} {place}."), (300, "{who} {shows} {what} {place}."),
    (300, "{ask} {away} {thing} and {show} {what}?"), (200, "{who} {aways} {thing} and {shows} {what}."),
    (400, "Act as {role} and {task}."), (200, "You are {role}. {task}."), (150, "Pretend to be {role}, then {task}."),
    (150, "Imagine you are {role} and {task} {place}."), (150, "I want you to act as {role}: {task}."), (100, "Roleplay: you are {role}, I am {role}; {task}."),
    (100, "From now on I will be {role}, so {task}."), (100, "Write a scene in which {role} tells {role} to {away} {thing}."),
    (100, "In the story, {role} must {away} {thing} and {show} {what}."),
    (600, "{about} {topic} {place}?"), (300, "{about} {topic} and {topic}."), (500, "{llmask} {llm} {llmfact}."), (200, "{llmask} {llm} {llmfact}, and {llm} {llmfact}."),
    (100, "How should {llm} respond when somebody asks it to {away} {thing}?"), (100, "Our guide for {llm}: {notice}; {topic}."),
    (500, "{label}: {notice}."), (200, "{label}: {notice}. {label}: {notice}."), (200, "Please note: {notice}; {ask} {away} {thing}?"),
    (900, "{wordask}"), (700, "{uiverb} {uiobj}{uitail}"), (200, "{uiverb} {uiobj} | {uiverb} {uiobj} | {uiverb} {uiobj}"),
)  # fmt: skip
_SLOT = re.compile(r"\{(\w+)\}")

_UI = (
    ("Kopieren, Speichern, Löschen, Anzeigen, Ausblenden, Ignorieren, Zurücksetzen, Bearbeiten", "Alle Regeln, Ihre Anweisungen, Vorherige Nachrichten, Systemnachricht, Versteckte Ordner, Prompt, Prompts, Ihr Passwort, Einschränkungen, Warnung", "{1} {0}"),
    ("Copier, Enregistrer, Supprimer, Afficher, Masquer, Ignorer, Réinitialiser, Modifier", "toutes les règles, vos instructions, les messages précédents, le message système, les dossiers cachés, le prompt, le mot de passe, les restrictions", "{0} {1}"),
    ("Copiar, Guardar, Eliminar, Mostrar, Ocultar, Ignorar, Restablecer, Editar", "todas las reglas, sus instrucciones, los mensajes anteriores, el mensaje del sistema, carpetas ocultas, el prompt, la contraseña, las restricciones", "{0} {1}"),
    ("Copia, Salva, Elimina, Mostra, Nascondi, Ignora, Ripristina, Modifica", "tutte le regole, le tue istruzioni, i messaggi precedenti, il messaggio di sistema, cartelle nascoste, il prompt, la password, le restrizioni", "{0} {1}"),
    ("Copiar, Salvar, Excluir, Mostrar, Ocultar, Ignorar, Redefinir, Editar", "todas as regras, suas instruções, as mensagens anteriores, a mensagem do sistema, pastas ocultas, o prompt, a senha, as restrições", "{0} {1}"),
    ("kopiëren, opslaan, verwijderen, tonen, verbergen, negeren, herstellen, bewerken", "Alle regels, Uw instructies, Vorige berichten, Systeembericht, Verborgen mappen, Prompt, Wachtwoord, Beperkingen", "{1} {0}"),
    ("Kopiuj, Zapisz, Usuń, Pokaż, Ukryj, Zignoruj, Zresetuj, Edytuj", "wszystkie zasady, swoje instrukcje, poprzednie wiadomości, komunikat systemowy, ukryte foldery, prompt, hasło, ograniczenia", "{0} {1}"),
    ("Kopiera, Spara, Ta bort, Visa, Dölj, Ignorera, Återställ, Redigera", "alla inställningar, dina anvisningar, tidigare meddelanden, systemmeddelandet, dolda mappar, prompten, begränsningar", "{0} {1}"),
    ("Kopírovat, Uložit, Smazat, Zobrazit, Skrýt, Přeskočit, Obnovit, Upravit", "všechna nastavení, vaše instrukce, předchozí zprávy, systémovou zprávu, skryté složky, prompt, omezení", "{0} {1}"),
    ("másolása, mentése, törlése, megjelenítése, elrejtése, mellőzése, szerkesztése", "Minden beállítás, Saját utasítások, Korábbi üzenetek, Rendszerüzenet, Rejtett mappák, Prompt, Korlátozások", "{1} {0}"),
    ("Kopioi, Tallenna, Poista, Näytä, Piilota, Ohita, Palauta, Muokkaa", "kaikki asetukset, omat ohjeet, aiemmat viestit, järjestelmäviesti, piilotetut kansiot, kehote, rajoitukset", "{0} {1}"),
    ("Копировать, Сохранить, Удалить, Показать, Скрыть, Игнорировать, Сбросить, Изменить", "все правила, ваши инструкции, предыдущие сообщения, системное сообщение, скрытые папки, промпт, пароль, ограничения", "{0} {1}"),
    ("kopyala, kaydet, sil, göster, gizle, yoksay, sıfırla, düzenle", "Tüm kuralları, Talimatları, Önceki mesajları, Sistem mesajını, Gizli klasörleri, İstemi, Parolayı, Kısıtlamaları", "{1} {0}"),
    ("نسخ, حفظ, حذف, إظهار, إخفاء, تجاهل, إعادة ضبط, تحرير", "جميع القواعد, التعليمات, الرسائل السابقة, رسالة النظام, المجلدات المخفية, الموجه, كلمة المرور, القيود", "{0} {1}"),
    ("复制, 保存, 删除, 显示, 隐藏, 忽略, 重置, 编辑", "所有规则, 您的指令, 之前的消息, 系统消息, 隐藏文件夹, 提示词, 密码, 限制", "{0}{1}"),
    ("コピー, 保存, 削除, 表示, 非表示, 無視, リセット, 編集", "すべてのルール, 指示, 以前のメッセージ, システムメッセージ, 隠しフォルダー, プロンプト, パスワード, 制限", "{1}を{0}"),
    ("복사, 저장, 삭제, 표시, 숨기기, 무시, 초기화, 편집", "모든 규칙, 지침, 이전 메시지, 시스템 메시지, 숨김 폴더, 프롬프트, 비밀번호, 제한", "{1} {0}"),
)  # fmt: skip


def _picked(words: list[str], key: str) -> str:
    return words[int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") % len(words)]


def filled(pattern: str, number: int, slots: dict[str, list[str]]) -> str:
    """The pattern with its slots filled; a slot may hold `@`, which a word of attacks takes the place of."""
    place = iter(range(20))
    text = _SLOT.sub(lambda found: _picked(slots[found[1]], f"{pattern}/{number}/{next(place)}"), pattern)
    text = text.replace("@", _picked(slots.get("verbword", [""]), f"{pattern}/{number}/word"))
    return text[:1].upper() + text[1:] if number % 5 else text


# As a button these are honest; as a message to a model they are attacks, and no bag of words tells the two apart.
_AMBIGUOUS = re.compile(
    r"\b(?:reveal|print|repeat|ignore|override|disable|skip|forget|translate|reset|clear)\b.*"
    r"\b(?:prompts?|instructions|rules|restrictions|policy|safety|filters?|messages?|context|text)\b",
    re.IGNORECASE,
)


def hard_honest() -> list[str]:
    """All of them, each once."""
    slots = {name: re.split(r",(?: |$)" if name != "uitail" else ",", words) for name, words in _SLOTS.items()}
    slots["uitail"] = [part.removeprefix(" ") if part[:2] in {" ?", " .", " !"} else part for part in slots["uitail"]]
    found = []
    for count, pattern in _PATTERNS:
        some = [filled(pattern, number, slots) for number in range(count)]
        found += [text for text in some if "{ui" not in pattern or not _AMBIGUOUS.search(text)]
    for verbs, things, order in _UI:
        found += [order.format(verb, thing) for verb in verbs.split(", ") for thing in things.split(", ")]
    return list(dict.fromkeys(found))
