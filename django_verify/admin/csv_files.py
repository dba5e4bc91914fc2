"""The CSV files of a list: exported safe against formulas, imported as a whole or not at all."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ALL_VAR, ERROR_FLAG, ORDER_VAR, PAGE_VAR
from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied, ValidationError
from django.core.validators import ProhibitNullCharactersValidator
from django.db import IntegrityError, router
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from django_verify.admin.closed import OVERTAKEN, ClosedAdmin
from django_verify.admin.stretches import BEFORE
from django_verify.db import savepoints

#: What a file may have.
MAX_BYTES, MAX_LINES = 1_000_000, 5000
# What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\0")
_refuse_nul = ProhibitNullCharactersValidator()
_ENCODINGS = ("utf-8-sig", "utf-16", "cp1252")
# What says which page of a list is shown, and how; a file has all pages.
_OF_A_PAGE = (ALL_VAR, BEFORE, ERROR_FLAG, ORDER_VAR, PAGE_VAR)
# Errors that are shown; a file of another kind has one in every line.
_SHOWN = 20


def stream(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> Iterator[str]:
    """Yield a CSV file, line by line, whose cells no spreadsheet takes for formulas.

    It begins with the mark by which alone spreadsheets read UTF-8.
    """
    yield "\ufeff"
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    for row in rows:
        yield _taken(text)
        writer.writerow([_inert(row.get(name, "")) for name in columns])
    yield _taken(text)


def _taken(text: io.StringIO) -> str:
    found = text.getvalue()
    text.seek(0)
    text.truncate()
    return found


def read(
    data: bytes, columns: Sequence[str], required: Iterable[str] = ()
) -> list[tuple[int, dict[str, str]]]:
    """Return the lines of a CSV file with their numbers, by the names of their columns.

    Takes what spreadsheets save: commas, semicolons or tabs, and columns in any order; those that
    are unknown are left out, and cells that are not there are empty. Raises ValidationError.
    """
    text = _decoded(data)
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    found = csv.reader(io.StringIO(text), delimiter=delimiter)
    try:
        header = [_plain(cell).lower() for cell in next(found, [])]
        lines = [(found.line_num, line) for line in found if any(map(str.strip, line))]
    except csv.Error:
        raise ValidationError(_("The file cannot be read as CSV.")) from None
    if missing := [name for name in required if name not in header]:
        sentence = _("The first line must name the columns; %(names)s is missing.")
        raise ValidationError(sentence, params={"names": ", ".join(missing)})
    if len(lines) > MAX_LINES:
        raise ValidationError(_("At most %(most)d lines."), params={"most": MAX_LINES})
    empty = dict.fromkeys(columns, "")
    return [(n, empty | dict(zip(header, map(_plain, line), strict=False))) for n, line in lines]


def _decoded(data: bytes) -> str:
    for encoding in _ENCODINGS:
        if encoding == "utf-16" and data[:2] not in {b"\xff\xfe", b"\xfe\xff"}:
            continue
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ValidationError(_("The file cannot be read as CSV."))


def _inert(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _plain(text: str) -> str:
    """Return a cell as it was before it was written."""
    text = text.strip()
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text


class FileForm(forms.Form):
    """The file to import."""

    file = forms.FileField(
        label=_("CSV file"), widget=forms.FileInput(attrs={"accept": ".csv,text/csv"})
    )

    def clean_file(self) -> bytes:
        """Return the file's bytes."""
        file = self.cleaned_data["file"]
        if file.size > MAX_BYTES:
            raise ValidationError(_("The file is too large."))
        data: bytes = file.read()
        return data


class CsvAdmin(ClosedAdmin):
    """A list with an export of what it has, and an import that adds and replaces rows."""

    csv_columns: Sequence[str] = ()
    #: Those that a file must have.
    csv_required: Sequence[str] = ()
    #: What the page of the import says about the columns.
    csv_help: Any = ""

    def csv_row(self, obj: Any) -> Mapping[str, str]:
        """Return a row's cells."""
        raise NotImplementedError

    def csv_rows(self, request: HttpRequest, rows: QuerySet[Any]) -> Iterable[Mapping[str, str]]:
        """Return the cells of rows."""
        return map(self.csv_row, rows.iterator(chunk_size=2000))

    def csv_object(self, line: Mapping[str, str]) -> Any:
        """Return the row that a line adds or replaces, unsaved. Raises ValidationError."""
        raise NotImplementedError

    def get_urls(self) -> list[URLPattern]:
        """Return the pages, with export and import."""
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        wrap = self.admin_site.admin_view
        return [
            path("export/", wrap(self.export_view), name=f"{name}_export"),
            path("import/", wrap(self.import_view), name=f"{name}_import"),
            *super().get_urls(),
        ]

    def list_links(self, request: HttpRequest) -> list[tuple[str, Any]]:
        """Return the buttons above the list."""
        url, kept = self.url_of("export"), request.GET.copy()
        for name in _OF_A_PAGE:
            kept.pop(name, None)
        query = f"?{kept.urlencode()}" if kept else ""
        links: list[tuple[str, Any]] = [(f"{url}{query}", _("Export CSV"))]
        if self._may_import(request):
            links.append((self.url_of("import"), _("Import CSV")))
        return [*super().list_links(request), *links]

    def export_view(self, request: HttpRequest) -> StreamingHttpResponse | HttpResponseRedirect:
        """Return the rows that search and filters leave as a file. Raises PermissionDenied."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        try:
            rows = self._chosen(request)
        except IncorrectLookupParameters:  # as the list does it
            return HttpResponseRedirect(f"{self.url_of('changelist')}?{ERROR_FLAG}=1")
        text = stream(self.csv_columns, self.csv_rows(request, rows))
        answer = StreamingHttpResponse(text, content_type="text/csv; charset=utf-8")
        name = f"{self.opts.verbose_name_plural}".replace(" ", "-")
        answer["Content-Disposition"] = f'attachment; filename="{name}.csv"'
        return answer

    def _chosen(self, request: HttpRequest) -> QuerySet[Any]:
        """Return what search and filters leave of all rows: a list in stretches shows a part.

        Raises IncorrectLookupParameters.
        """
        shown, rows = self.get_changelist_instance(request), self.get_queryset(request)
        for spec in shown.filter_specs:
            kept = spec.queryset(request, rows)
            rows = rows if kept is None else kept
        if shown.query:
            rows, _has_twins = self.get_search_results(request, rows, shown.query)
        return rows

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Take a file, or show what is wrong in which line. Raises PermissionDenied."""
        if not self._may_import(request):
            raise PermissionDenied
        is_sent = request.method == "POST"
        form = FileForm(request.POST, request.FILES) if is_sent else FileForm()
        if form.is_valid():
            try:
                count = self._import(request, form.cleaned_data["file"])
            except ValidationError as error:
                form.add_error(None, error)
            except IntegrityError:
                form.add_error(None, OVERTAKEN)
            else:
                text = ngettext("%(count)d row imported.", "%(count)d rows imported.", count)
                self.message_user(request, text % {"count": count}, messages.SUCCESS)
                return HttpResponseRedirect(self.url_of("changelist"))
        context = {
            "title": _("Import CSV"),
            "form": form,
            "intro": self.csv_help,
            "failure": _("Nothing was imported."),
            "yes": _("Import"),
        }
        return self.page(request, "form_page.html", None, context)

    def _may_import(self, request: HttpRequest) -> bool:
        return self.has_add_permission(request) and self.has_change_permission(request)

    def _import(self, request: HttpRequest, data: bytes) -> int:
        lines = read(data, self.csv_columns, self.csv_required)
        problems: list[str] = []
        with savepoints.atomic(router.db_for_write(self.model)):
            for number, line in lines:
                try:
                    self._take(request, line)
                except ValidationError as error:
                    problems += [_located(number, text) for text in _sentences(error)]
            if problems:
                # The lines before and after are undone.
                raise ValidationError(problems[:_SHOWN])
        return len(lines)

    def _take(self, request: HttpRequest, line: Mapping[str, str]) -> None:
        for cell in line.values():
            _refuse_nul(cell)  # PostgreSQL refuses it in any statement, a look-up's too
        obj = self.csv_object(line)
        is_new = obj.pk is None
        obj.full_clean()
        obj.save()
        note = gettext("Imported from a file.")
        (self.log_addition if is_new else self.log_change)(request, obj, note)


def _located(number: int, text: str) -> str:
    return gettext("Line %(number)d: %(text)s") % {"number": number, "text": text}


def _sentences(error: ValidationError) -> list[str]:
    if not hasattr(error, "error_dict"):
        return list(error.messages)
    return [
        text if name == NON_FIELD_ERRORS else f"{name}: {text}"
        for name, texts in error.message_dict.items()
        for text in texts
    ]
