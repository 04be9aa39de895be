"""The words of the chat page, by language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec


class PageWords(msgspec.Struct, frozen=True):
    """What the page itself says: names of its parts, and what becomes of messages."""

    fresh: str = "New conversation"
    log: str = "Conversation"
    typing: str = "An answer is being written"
    suggestions: str = "Suggestions"
    label: str = "Your message"
    hint: str = "Write a message"
    send: str = "Send"
    signed_in: str = "Signed in as"
    no_script: str = "This chat needs JavaScript."
    today: str = "Today"
    sending: str = "Sending…"
    failed: str = "Not sent."
    again: str = "Try again"
    connecting: str = "Connecting…"
    reconnecting: str = "Reconnecting…"
    offline: str = "You are offline"
    long: str = "This is too long for one message. Please shorten it, or send it in parts."
    renewed: str = "The conversation before has ended. This is a new one."
    person: str = "A colleague"
    attach: str = "Attach files"
    files: str = "Files to send"
    remove: str = "Remove"
    large: str = "That is too much: ten files with 8 MB together are taken."
    unfit: str = "Not sent: a file is not what its name says."
    full: str = "Not sent: no more files are taken today."
    gone: str = "Not sent: please attach the files again."

    @property
    def spoken(self) -> str:
        """Those that the script says, as JSON."""
        return msgspec.json.encode({name: getattr(self, name) for name in _SPOKEN}).decode()


_SPOKEN: Final = ("today", "sending", "failed", "again", "connecting", "reconnecting", "offline", "long", "renewed",
    "person", "remove", "large", "unfit", "full", "gone",
)  # fmt: skip

ENGLISH: Final = PageWords()
WORDS: Final[Mapping[str, PageWords]] = {
    "en": ENGLISH,
    "de": PageWords(
        fresh="Neues Gespräch",
        log="Gespräch",
        typing="Eine Antwort wird geschrieben",
        suggestions="Vorschläge",
        label="Ihre Nachricht",
        hint="Schreiben Sie eine Nachricht",
        send="Senden",
        signed_in="Angemeldet als",
        no_script="Dieser Chat braucht JavaScript.",
        today="Heute",
        sending="Wird gesendet…",
        failed="Nicht gesendet.",
        again="Noch einmal versuchen",
        connecting="Verbindung wird aufgebaut…",
        reconnecting="Neuer Versuch…",
        offline="Sie sind offline",
        long="Das ist zu lang für eine Nachricht. Bitte kürzen Sie sie, oder senden Sie sie in Teilen.",
        renewed="Das vorige Gespräch ist beendet. Dies ist ein neues.",
        person="Jemand aus dem Team",
        attach="Dateien anhängen",
        files="Dateien, die gesendet werden",
        remove="Entfernen",
        large="Das ist zu viel: Zehn Dateien mit zusammen 8 MB sind möglich.",
        unfit="Nicht gesendet: Eine Datei ist nicht, was ihr Name sagt.",
        full="Nicht gesendet: Heute werden keine Dateien mehr angenommen.",
        gone="Nicht gesendet: Bitte hängen Sie die Dateien noch einmal an.",
    ),
    "ja": PageWords(
        fresh="新しい会話",
        log="会話",
        typing="回答を作成中です",
        suggestions="候補",
        label="メッセージ",
        hint="メッセージを入力",
        send="送信",
        signed_in="サインイン中:",
        no_script="このチャットには JavaScript が必要です。",
        today="今日",
        sending="送信中…",
        failed="送信できませんでした。",
        again="再試行",
        connecting="接続中…",
        reconnecting="再接続中…",
        offline="オフラインです",
        long="1 件のメッセージとしては長すぎます。短くするか、分けて送信してください。",
        renewed="前の会話は終了しました。これは新しい会話です。",
        person="担当者",
        attach="ファイルを添付",
        files="送信するファイル",
        remove="削除",
        large="多すぎます。ファイルは 10 個、合計 8 MB までです。",
        unfit="送信できませんでした。ファイルの内容が名前と一致しません。",
        full="送信できませんでした。本日はこれ以上ファイルを受け取れません。",
        gone="送信できませんでした。ファイルをもう一度添付してください。",
    ),
    "zh": PageWords(
        fresh="新对话",
        log="对话",
        typing="正在撰写回复",
        suggestions="建议",
        label="您的消息",
        hint="请输入消息",
        send="发送",
        signed_in="登录身份：",
        no_script="此聊天需要 JavaScript。",
        today="今天",
        sending="正在发送…",
        failed="未发送。",
        again="重试",
        connecting="正在连接…",
        reconnecting="正在重新连接…",
        offline="您已离线",
        long="作为一条消息太长了。请缩短，或分几次发送。",
        renewed="之前的对话已结束。这是新的对话。",
        person="工作人员",
        attach="添加文件",
        files="要发送的文件",
        remove="移除",
        large="文件太多：最多十个文件，合计 8 MB。",
        unfit="未发送：有文件与其名称不符。",
        full="未发送：今天不再接收文件。",
        gone="未发送：请重新添加文件。",
    ),
    "es": PageWords(
        fresh="Nueva conversación",
        log="Conversación",
        typing="Se está escribiendo una respuesta",
        suggestions="Sugerencias",
        label="Su mensaje",
        hint="Escriba un mensaje",
        send="Enviar",
        signed_in="Sesión iniciada como",
        no_script="Este chat necesita JavaScript.",
        today="Hoy",
        sending="Enviando…",
        failed="No enviado.",
        again="Reintentar",
        connecting="Conectando…",
        reconnecting="Reconectando…",
        offline="Está sin conexión",
        long="Es demasiado largo para un mensaje. Acórtelo o envíelo por partes.",
        renewed="La conversación anterior ha terminado. Esta es nueva.",
        person="Alguien del equipo",
        attach="Adjuntar archivos",
        files="Archivos por enviar",
        remove="Quitar",
        large="Es demasiado: se admiten diez archivos con 8 MB en total.",
        unfit="No enviado: un archivo no es lo que dice su nombre.",
        full="No enviado: hoy no se admiten más archivos.",
        gone="No enviado: adjunte los archivos otra vez.",
    ),
    "fr": PageWords(
        fresh="Nouvelle conversation",
        log="Échange",
        typing="Une réponse est en cours de rédaction",
        suggestions="Propositions",
        label="Votre message",
        hint="Écrivez un message",
        send="Envoyer",
        signed_in="Connecté en tant que",
        no_script="Ce chat nécessite JavaScript.",
        today="Aujourd'hui",
        sending="Envoi…",
        failed="Non envoyé.",
        again="Réessayer",
        connecting="Connexion…",
        reconnecting="Reconnexion…",
        offline="Vous êtes hors ligne",
        long="C'est trop long pour un seul message. Raccourcissez-le ou envoyez-le en plusieurs fois.",
        renewed="La conversation précédente est terminée. En voici une nouvelle.",
        person="Un conseiller",
        attach="Joindre des fichiers",
        files="Fichiers à envoyer",
        remove="Retirer",
        large="C'est trop : dix fichiers de 8 Mo au total sont acceptés.",
        unfit="Non envoyé : un fichier n'est pas ce que dit son nom.",
        full="Non envoyé : plus aucun fichier n'est accepté aujourd'hui.",
        gone="Non envoyé : veuillez joindre de nouveau les fichiers.",
    ),
}
