"""The limit that the product is compared with: the least that Flask can do, on the same server.

`/hello` answers a constant; `/one-query` reads a row and fills a small template; `POST /insert`
stores one row, with the same pragmas, in a transaction that begins IMMEDIATE on SQLite.
"""

from __future__ import annotations

import os

import sqlalchemy as sa
from flask import Flask, render_template_string, request

from actionkit import db
from config import Config

PAGE = "<!doctype html><title>{{ title }}</title><h1>{{ title }}</h1><p>{{ count }}</p>"

app = Flask(__name__)
_of_work, engines = db.make_engines(Config.from_env({**os.environ}))
engine, reading = engines["writing"], engines["reading"]
table = sa.Table("bench_rows", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.Text))
with engine.begin() as connection:
    table.create(connection, checkfirst=True)
    connection.execute(sa.insert(table).values(text="A title"))
engine.dispose()  # before the server forks

INSERT, SELECT = sa.insert(table), sa.select(table.c.text).where(table.c.id == 1)


@app.get("/healthz")
@app.get("/hello")
def hello() -> str:
    return "hello"


@app.get("/one-query")
def one_query() -> str:
    with reading.connect() as connection:
        title = connection.execute(SELECT).scalar_one()
    return render_template_string(PAGE, title=title, count=1)


@app.post("/insert")
def insert() -> tuple[str, int]:
    with engine.begin() as connection:
        connection.execute(INSERT, {"text": request.form["email"]})
    return "", 204
